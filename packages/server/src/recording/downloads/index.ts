export * from './record-downloads.ts';

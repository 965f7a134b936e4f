export * from './file.ts';
export * from './tags.ts';

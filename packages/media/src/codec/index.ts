export * from './aac.ts';
export * from './bits.ts';
export * from './h264.ts';

export * from './connection.ts';
export * from './data.ts';
export * from './hls.ts';
export * from './jobs.ts';
export * from './stream.ts';

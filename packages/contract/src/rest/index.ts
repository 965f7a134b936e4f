export * from './connection.ts';
export * from './data.ts';
export * from './hls.ts';
export * from './jobs.ts';
export * from './recording.ts';
export * from './snapshot.ts';
export * from './stream.ts';
export * from './vod.ts';

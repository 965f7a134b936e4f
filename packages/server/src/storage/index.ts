export * from './credentials.ts';
export * from './s3-clients.ts';
export * from './s3-file-store.ts';
export * from './s3-store.ts';

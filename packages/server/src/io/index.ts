export * from './http-mount.ts';
export * from './limited-log.ts';
export * from './ticker.ts';

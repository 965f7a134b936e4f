export * from './limited-log.ts';
export * from './ticker.ts';

export * from './connection-object.ts';
export * from './error-body.ts';
export * from './health-body.ts';
export * from './overview-body.ts';
export * from './stat-body.ts';
export * from './stream-hint.ts';
export * from './stream-history-body.ts';
export * from './stream-object.ts';

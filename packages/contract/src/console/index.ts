export * from './connection-rows.ts';
export * from './ladder-body.ts';
export * from './log-body.ts';
export * from './recording-rows.ts';
export * from './relay-rows.ts';
export * from './server-history-body.ts';
export * from './session-rows.ts';
export * from './settings-body.ts';

export * from './application.ts';
export * from './connection-hooks.ts';
export * from './data-hooks.ts';
export * from './hook-bodies.ts';
export * from './hook-fields.ts';
export * from './hook-names.ts';
export * from './rest-client-config.ts';
export * from './stream-hooks.ts';

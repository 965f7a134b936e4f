export * from './completion.ts';
export * from './finish/index.ts';
export * from './hook-script.ts';
export * from './ledger.ts';
export * from './names/index.ts';
export * from './recovery.ts';
export * from './stored-recording.ts';

export * from './completion.ts';
export * from './finish/index.ts';
export * from './ledger.ts';
export * from './names/index.ts';
export * from './stored-recording.ts';

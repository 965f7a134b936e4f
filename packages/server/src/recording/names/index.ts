export * from './safe-name.ts';
export * from './template.ts';

export type { IssuedCredential } from './credentials.ts';
export type { TurnLimits, TurnOptions } from './options.ts';
export { type TurnAccess, type TurnDeps, TurnServer } from './server.ts';

export * from './http-mount.ts';
export * from './limited-log.ts';
export * from './outbound.ts';
export * from './outbound-policy.ts';
export * from './peer-address.ts';
export * from './safe-name.ts';
export * from './ticker.ts';
export type * from './tls-identity.ts';

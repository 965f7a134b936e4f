export { AutoPush, type AutoPushDeps, type AutoPushOptions } from './auto-push.ts';
export { DEFAULT_RELAY_OPTIONS, type RelayOptions, type RetryPolicy } from './options.ts';
export { GuardedAddresses } from './outbound-port.ts';
export type { RelayDeps } from './relay.ts';
export { RelayResolver, type RelayResolverDeps } from './relay-resolver.ts';
export { RelayServer } from './relay-server.ts';

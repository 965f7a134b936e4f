export { ApplicationStore } from './applications/application-store.ts';
export {
  ApplicationError,
  DEFAULT_REST_METHODS,
  type StoredApplication,
  withoutPassword,
} from './applications/stored-application.ts';
export { HookAccess, type HookAccessDeps } from './hook-access.ts';
export type { AccessGate, AccessQuestion } from './hook-context.ts';
export { hookDescription } from './hook-description.ts';
export { DEFAULT_HOOK_OPTIONS, type HlsAuthOptions, type HookOptions, type KeepAliveOptions } from './hook-options.ts';
export { keptNodeId } from './node-id.ts';

export type { VodDeps } from './vod-live.ts';
export { VodResolver, type VodResolverOptions } from './vod-resolver.ts';

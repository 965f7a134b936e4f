export type { VodDeps } from './file-publication.ts';
export { FolderStore } from './folder-store.ts';
export { LOCAL_READ_AHEAD_MS, type VodOptions, VodResolver, type VodStore } from './vod-resolver.ts';

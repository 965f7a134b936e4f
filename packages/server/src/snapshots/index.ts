export { DEFAULT_SNAPSHOT_OPTIONS, type SnapshotOptions } from './options.ts';
export { type SnapshotDeps, SnapshotServer } from './snapshot-server.ts';

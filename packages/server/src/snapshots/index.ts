export { type AutoSnapshotDeps, AutoSnapshots } from './auto-snapshots.ts';
export {
  type AutoSnapshotOptions,
  DEFAULT_SNAPSHOT_MOUNT_OPTIONS,
  DEFAULT_SNAPSHOT_OPTIONS,
  type SnapshotMountOptions,
  type SnapshotOptions,
} from './options.ts';
export { SnapshotMount, type SnapshotMountDeps } from './snapshot-mount.ts';
export { type SnapshotDeps, SnapshotServer } from './snapshot-server.ts';

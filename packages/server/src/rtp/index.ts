export { type LaneLease, LanePackager, LanePackagers, type PackagerOptions } from './lane-packager.ts';
export * from './receive/index.ts';
export { StreamClock } from './stream-clock.ts';

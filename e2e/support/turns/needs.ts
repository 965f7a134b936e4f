/**
 * Cores that a file needs on average when it runs alone, for those that need more or less than most. Those that measure
 * how soon or how steadily something is played need more than they use.
 */
const CORES: Readonly<Record<string, number>> = {
  access: 0.9,
  bench: 0.5,
  'console-recordings': 1,
  'console-views': 1,
  'console-webrtc': 1.1,
  explain: 0.6,
  files: 0.4,
  firefox: 1,
  'guides-recording': 0.9,
  'guides-web': 0.9,
  hooks: 0.5,
  loadtest: 0.4,
  mse: 0.9,
  recording: 0.5,
  'recording-crash': 0.5,
  'recording-disk': 0.4,
  'recording-s3': 0.5,
  relays: 0.5,
  rtmp: 0.5,
  'rtmp-clocks': 1.1,
  'rtmp-hard': 0.4,
  'rtmp-metadata': 0.5,
  'rtmp-options': 0.5,
  'rtmp-restrictions': 0.5,
  start: 0.5,
  'transport-streams': 0.5,
  'webrtc-hostile': 0.4,
  'webrtc-simulcast': 0.9,
  'webrtc-stacks': 0.9,
  'websdk-mse': 0.9,
};

/** A page with a player and a publisher. */
const MOST = 0.7;

/** Cores that the file of that name needs, without its ending. */
export function coresFor(name: string): number {
  return CORES[name] ?? MOST;
}

export { Gatekeeper, type GatekeeperOptions, type GateQuestion } from './auth/gatekeeper.ts';
export type { ControlDeps, ControlPorts, RecentLog } from './control-deps.ts';
export { type ControlOptions, DEFAULT_CONTROL_OPTIONS } from './control-options.ts';
export { ControlServer } from './control-server.ts';
export * from './hooks/index.ts';
export { PrometheusCounters } from './metrics/prometheus-counters.ts';
export { DEFAULT_SIGNALLING_OPTIONS, type SignallingAddress, type SignallingOptions } from './signalling/options.ts';
export { type SignallingDeps, SignallingServer } from './signalling/signalling-server.ts';
export type { AudioDetails, StreamDetails, VideoDetails } from './stream-details.ts';

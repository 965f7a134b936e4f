export type { RtspServerDeps } from './server/context.ts';
export {
  DEFAULT_RTSP_SERVER_OPTIONS,
  type RtspAddress,
  type RtspServerOptions,
  type RtspUdpAddress,
} from './server/options.ts';
export { RtspServer } from './server/server.ts';

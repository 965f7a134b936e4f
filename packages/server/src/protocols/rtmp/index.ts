export { DEFAULT_RTMP_OPTIONS, type RtmpDeps, type RtmpOptions, RtmpServer } from './server.ts';

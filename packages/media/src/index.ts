export * from './amf/index.ts';
export * from './codec/index.ts';
export * from './flv/index.ts';
export * from './mp4/index.ts';
export * from './mpegts/index.ts';
export * from './packet.ts';
export * from './rtp/index.ts';
export * from './sdp/index.ts';

export { resolveWebRtcOptions, type WebRtcOptions } from './options.ts';
export type { ReceiveOptions } from './receive/index.ts';
export { type WebRtcDeps, WebRtcServer } from './server.ts';
export { WhipMount, type WhipOptions } from './whip/index.ts';
export { createDtlsCertificate } from './wire/dtls/certificate.ts';
export { codecsFromNames } from './wire/offer-answer/index.ts';

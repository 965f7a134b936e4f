export * from './fmtp.ts';
export * from './h264-profile-level.ts';
export * from './ice-attributes.ts';
export * from './parse.ts';
export * from './rtp-section.ts';
export * from './session-description.ts';
export * from './write.ts';

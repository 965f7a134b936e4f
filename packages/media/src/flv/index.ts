export { type FlvAudioBody, parseFlvAudio } from './audio-body.ts';
export { FlvAudioReader } from './audio-reader.ts';
export * from './file.ts';
export { type FlvFrame, UnsupportedCodecError } from './frame.ts';
export * from './legacy-tags.ts';
export { type FlvVideoBody, parseFlvVideo } from './video-body.ts';
export { FlvVideoReader } from './video-reader.ts';
export { flvConfigTag, flvFrameTag, isEnhancedOnly, isFlvCarriable } from './write-tags.ts';

export type { Acceptance, AudioOutput, AudioTarget } from './acceptance.ts';
export { ALL_AUDIO_CODECS, ALL_VIDEO_CODECS, playerAcceptance, targetKey, withPicture } from './acceptance.ts';
export type { LeftOut } from './adaptation.ts';
export * from './adaptations.ts';
export { deliveryOf } from './delivery.ts';
export { OverlaidStream } from './overlaid-stream.ts';

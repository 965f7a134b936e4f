import type { AudioCodec, VideoCodec } from '@sluice/media';
import { type Acceptance, type SocketProvider, targetKey, type VideoForm } from '../../../core/index.ts';

/** Kinds of media that go to a player. */
export interface PlayedKinds {
  readonly video: boolean;
  readonly audio: boolean;
}

/** Rate of the sound of WSPlayer, samples a second. */
export const WSPLAYER_AUDIO_RATE = 8000;

const NO_VIDEO: ReadonlySet<VideoCodec> = new Set();
const NO_AUDIO: ReadonlySet<AudioCodec> = new Set();
const H264: ReadonlySet<VideoCodec> = new Set(['h264']);
const AAC: ReadonlySet<AudioCodec> = new Set(['aac']);
const MPEG1: ReadonlySet<VideoCodec> = new Set(['mpeg1']);
const PCMU: ReadonlySet<AudioCodec> = new Set(['pcmu']);
const TELEPHONE = { sampleRate: WSPLAYER_AUDIO_RATE, channels: 1 } as const;

/**
 * What players of the Web SDK take. MSE: H.264 whose pictures are shown in the order in which they come, and AAC
 * (websdk-signalling.md §9.2). WSPlayer: MPEG-1 video, and G.711 µ-law at 8 kHz (§10.2).
 */
export function sdkAcceptance(
  provider: SocketProvider,
  kinds: PlayedKinds,
  picture: VideoForm | undefined,
): Acceptance {
  const isMse = provider === 'MSE';
  const videoTarget = isMse ? 'h264' : 'mpeg1';
  const audioTarget = isMse ? 'aac' : 'pcmu';
  const audioOutput = isMse ? undefined : TELEPHONE;
  const parts = [
    kinds.video ? targetKey({ codec: videoTarget, picture }) : '-',
    kinds.audio ? targetKey({ codec: audioTarget, ...audioOutput }) : '-',
  ];
  return {
    key: `sdk ${provider} ${parts.join(' ')}`,
    video: kinds.video ? (isMse ? H264 : MPEG1) : NO_VIDEO,
    audio: kinds.audio ? (isMse ? AAC : PCMU) : NO_AUDIO,
    reorderedVideo: false,
    videoTarget: kinds.video ? videoTarget : undefined,
    audioTarget: kinds.audio ? audioTarget : undefined,
    videoOutput: kinds.video ? picture : undefined,
    audioOutput: kinds.audio ? audioOutput : undefined,
  };
}

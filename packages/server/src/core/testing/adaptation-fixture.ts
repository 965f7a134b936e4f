import type { Codec, MediaPacket, Track } from '@sluice/media';
import type { Acceptance } from '../adaptations/acceptance.ts';
import type { AdaptedStream } from '../adaptations/adaptations.ts';
import type { Publisher, Stream } from '../stream.ts';

/** A track without parameters. */
export const track = (kind: 'video' | 'audio', codec: Codec): Track => ({
  id: kind === 'video' ? 0 : 1,
  kind,
  codec,
  clockRate: kind === 'video' ? 90_000 : 48_000,
  parameters: [],
});
export const H264 = track('video', 'h264');
export const VP8 = track('video', 'vp8');
export const AAC = track('audio', 'aac');
export const OPUS = track('audio', 'opus');

/** Takes H.264 and AAC, with B-frames. */
export const CLASSIC: Acceptance = {
  key: 'classic',
  video: new Set(['h264']),
  audio: new Set(['aac']),
  reorderedVideo: true,
  videoTarget: 'h264',
  audioTarget: 'aac',
};
/** Takes H.264, VP8 and Opus, without B-frames. */
export const RTC: Acceptance = {
  key: 'rtc',
  video: new Set(['h264', 'vp8']),
  audio: new Set(['opus']),
  reorderedVideo: false,
  videoTarget: 'h264',
  audioTarget: 'opus',
};
/** A publisher that counts what it is asked for. */
export function newPublisher(): Publisher & { keyFramesAsked: number; requestKeyFrame(): void } {
  return {
    sessionId: 'p',
    keyFramesAsked: 0,
    close: () => {},
    requestKeyFrame(): void {
      this.keyFramesAsked++;
    },
  };
}

/** A packet of 10 bytes. */
export function packet(of: Track, ms: number, options: { key?: boolean; ptsMs?: number } = {}): MediaPacket {
  const key = options.key ?? of.kind === 'audio';
  const ptsUs = (options.ptsMs ?? ms) * 1000;
  return { track: of, units: [new Uint8Array(10)], dtsUs: ms * 1000, ptsUs, key, byteLength: 10 };
}

/** Pictures and sound every 40 ms; a key frame first and then every `gopMs`. */
export function feedInto(
  source: Stream,
  tracks: { readonly video?: Track | undefined; readonly audio?: Track | undefined },
  ms: { readonly from: number; readonly to: number; readonly gop?: number },
): void {
  const { video, audio } = tracks;
  for (let at = ms.from; at < ms.to; at += 40) {
    const key = (at - ms.from) % (ms.gop ?? 1000) === 0;
    if (video !== undefined) source.publish(packet(video, at, { key }));
    if (audio !== undefined) source.publish(packet(audio, at));
  }
}

/** What a viewer got. */
export interface Seen {
  readonly packets: MediaPacket[];
  ended: string | undefined;
  readonly epochs: Set<number>;
}

/** Reads a leased stream as a viewer does. */
export function watch({ stream }: AdaptedStream): Seen {
  const seen: Seen = { packets: [], ended: undefined, epochs: new Set() };
  const drain = (): void => {
    for (let entry = reader.read(); entry !== undefined; entry = reader.read()) {
      seen.packets.push(entry.packet);
      seen.epochs.add(entry.state.epoch);
    }
  };
  const reader = stream.attach({
    startAt: 'gop',
    onReadable: drain,
    onEnd: (reason) => {
      seen.ended = reason;
    },
  });
  drain();
  return seen;
}

/** Codecs in the order of their coming. */
export const codecs = ({ packets }: Seen): string[] => [...new Set(packets.map((one) => one.track.codec))];
/** Decoding times of one kind, milliseconds. */
export const timesOf = ({ packets }: Seen, kind: 'video' | 'audio'): number[] =>
  packets.filter((one) => one.track.kind === kind).map((one) => one.dtsUs / 1000);

import type { Track } from '@sluice/media';
import { Adaptations, Stream } from '../../core/index.ts';
import { TestCounters, TestLog } from '../../core/testing/hub.ts';
import { RelabelConverter } from '../../core/testing/relabel-converter.ts';

/** A converter whose conversions of pictures cost a core for each million pixels, of so many cores. */
export class CostlyConverter extends RelabelConverter {
  limitCores = 10;
  usedCores = 0;
  formsLeft: number | undefined;
  /** For decoding, once for all conversions of a source. */
  decodeCores = 0;

  budget() {
    return { limitCores: this.limitCores, usedCores: this.usedCores, formsLeft: this.formsLeft };
  }

  estimate(_: Track, { picture }: Parameters<RelabelConverter['open']>[1], feed?: object | true): number {
    const isDecoded = feed === true || this.running.some((one) => one.feed === feed);
    return ((picture?.height ?? 720) ** 2 * (16 / 9)) / 1e6 + (isDecoded ? 0 : this.decodeCores);
  }
}

export function newAdaptations(converter: RelabelConverter | undefined): Adaptations {
  return new Adaptations({ converter, log: new TestLog(), counters: new TestCounters() }, { lingerMs: 1000 });
}

/** An H.264 track of that size: its SPS (ITU-T H.264 §7.3.2.1) of the constrained baseline profile, and a PPS. */
export function avc(width: number, height: number): Track {
  const golomb = (value: number): string => {
    const digits = (value + 1).toString(2);
    return '0'.repeat(digits.length - 1) + digits;
  };
  const [across, down] = [Math.ceil(width / 16), Math.ceil(height / 16)];
  const cropping = [0, (across * 16 - width) / 2, 0, (down * 16 - height) / 2];
  const bits = [
    ...[golomb(0), golomb(0), golomb(2), golomb(1), '0', golomb(across - 1), golomb(down - 1), '11'],
    ...['1', ...cropping.map(golomb), '0', '1'],
  ].join('');
  const bytes = bits.match(/.{1,8}/g) ?? [];
  const sps = [0x67, 66, 0xc0, 31, ...bytes.map((byte) => Number.parseInt(byte.padEnd(8, '0'), 2))];
  const parameters = [Uint8Array.from(sps), Uint8Array.of(0x68, 0xce, 0x38, 0x80)];
  return { id: 0, kind: 'video', codec: 'h264', clockRate: 90_000, parameters };
}

export const VP8: Track = { id: 0, kind: 'video', codec: 'vp8', clockRate: 90_000, parameters: [] };

/** A live stream with that picture. */
export function streamOf(video: Track, name = 's'): Stream {
  const stream = new Stream(name);
  stream.attachPublisher({ sessionId: 'p', close: () => {} });
  stream.setTrack(video);
  return stream;
}

/** Publishes a picture of no content. */
export function picture(stream: Stream, track: Track, at: { ms: number; ptsMs?: number; units?: Uint8Array[] }): void {
  const { ms, ptsMs = ms, units = [new Uint8Array(8)] } = at;
  stream.publish({ track, units, dtsUs: ms * 1000, ptsUs: ptsMs * 1000, key: ms === 0, byteLength: 8 });
}

/** The stream is measured to take so many bits a second, at 25 pictures a second for so long; earlier measures count little. */
export function takes(stream: Stream, bps: number, { seconds = 20 } = {}): void {
  const { videoRate } = stream;
  const beganMs = Math.max(1, videoRate.packets * 40);
  videoRate.sample(beganMs);
  for (let i = 0; i < seconds * 25; i++) {
    const ms = beganMs + (i + 1) * 40;
    videoRate.count(
      { track: VP8, units: [], dtsUs: ms * 1000, ptsUs: ms * 1000, key: false, byteLength: bps / 8 / 25 },
      ms,
    );
    if (i % 25 === 24) videoRate.sample(ms);
  }
}

/** A key frame of VP8 with that size and nothing in it (RFC 6386 §9.1). */
export function vp8KeyFrame(width: number, height: number): Uint8Array {
  const frame = new Uint8Array(40);
  frame.set([0x10, 0x02, 0x00, 0x9d, 0x01, 0x2a, width & 0xff, width >> 8, height & 0xff, height >> 8]);
  return frame;
}

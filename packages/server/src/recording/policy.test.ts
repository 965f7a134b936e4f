import type { Codec, Track } from '@sluice/media';
import { describe, expect, it } from 'vitest';
import { multiplePlan, parseFormats, planFor, takes } from './policy.ts';

const track = (kind: Track['kind'], codec: Codec): Track => ({ id: 0, kind, codec, clockRate: 90_000, parameters: [] });
const AAC = { sampleRate: 44_100, channels: 2 } as const;
const plan = (codec: Codec | undefined, formats = '', converts = true) =>
  planFor(codec && track('video', codec), { formats: parseFormats(formats, false), aac: AAC }, converts);

describe('formats of recordings', () => {
  it.each([
    ['h264-mp4,vp8-webm', 'h264', 'mp4'],
    ['h264-mkv, VP8-mkv', 'vp8', 'mkv'],
    ['h264-ts', 'h264', 'ts'],
    ['h264-webm,vp8-webm', 'h264', 'webm'],
    ['', 'vp9', 'webm'],
    ['', 'h265', 'mp4'],
    ['', 'av1', 'mp4'],
    ['h264-mkv', 'flv1', 'mkv'],
  ])('"%s" puts %s into %s', (formats, codec, container) => {
    expect(plan(codec as Codec, formats).container).toBe(container);
  });

  it('are overridden by record_h264_to_ts', () => {
    expect(parseFormats('h264-mkv', true).get('h264')).toBe('ts');
  });

  it.each(['h264', 'h264-avi', 'flv1-mp4', 'vp8-mp4', 'h265-ts', '__proto__-mp4', 'h264-__proto__'])(
    'are refused as "%s"',
    (text) => {
      expect(() => parseFormats(text, false)).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }));
    },
  );

  it('put sound alone into MP4 with AAC', () => {
    const alone = plan(undefined);
    expect(alone.container).toBe('mp4');
    expect(takes(alone, track('audio', 'aac'))).toBe(true);
    expect(takes(alone, track('audio', 'opus'))).toBe(false);
    expect(alone.acceptance).toMatchObject({ audioTarget: 'aac', audioOutput: AAC });
  });
});

describe('what a container does not hold', () => {
  it('is converted to AAC, or to Opus for WebM', () => {
    expect(plan('vp8').acceptance.audioTarget).toBe('opus');
    expect(takes(plan('vp8'), track('audio', 'aac'))).toBe(false);
    expect(takes(plan('h264', 'h264-mkv'), track('audio', 'g722'))).toBe(true);
    expect(takes(plan('h264', 'h264-mkv'), track('audio', 'speex'))).toBe(false);
    expect(takes(plan('h264'), track('video', 'flv1'))).toBe(false);
  });

  it('is taken as it is where nothing is converted, if that is possible at all', () => {
    expect(takes(plan('h264', '', false), track('audio', 'opus'))).toBe(true);
    expect(takes(plan('h264', '', false), track('audio', 'pcma'))).toBe(false);
  });

  it('shares a derived stream only where it is converted to the same', () => {
    const keys = [plan('h264'), plan('h264', 'h264-ts'), plan('vp8'), multiplePlan(AAC, true)].map(
      (one) => one.acceptance.key,
    );
    expect(new Set(keys).size).toBe(4);
  });

  it('is all but H.264 and AAC in recordings of several streams', () => {
    const several = multiplePlan(AAC, true);
    expect(takes(several, track('video', 'h264'))).toBe(true);
    expect(takes(several, track('video', 'vp8'))).toBe(false);
    expect(takes(several, track('audio', 'opus'))).toBe(false);
  });
});

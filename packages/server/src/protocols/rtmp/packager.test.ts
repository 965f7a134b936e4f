import type { Codec, Track } from '@sluice/media';
import { expect, test } from 'vitest';
import { Stream } from '../../core/index.ts';
import { RtmpFormat } from './packager.ts';

const SPS = Uint8Array.of(0x67, 0x42, 0xc0, 0x0d, 0xda, 0x05, 0x07, 0xec);

test.each([
  ['h264', [SPS]],
  ['h265', [Uint8Array.of(0x42, 1, 1)]],
  ['av1', [Uint8Array.of(0x12, 9, 9)]],
] as [Codec, Uint8Array[]][])(
  'a configuration of %s that is broken is left out, and is no error of its publisher',
  (codec, parameters) => {
    const track: Track = { id: 0, kind: 'video', codec, clockRate: 90_000, parameters };
    const stream = new Stream('s');
    stream.setTrack(track);
    const format = new RtmpFormat({ chunkSize: 4096, silent: false, without: new Set() });
    expect(format.change(stream.state, undefined, 0)).toHaveLength(0);
  },
);

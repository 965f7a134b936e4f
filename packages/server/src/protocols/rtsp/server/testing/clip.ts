import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type MediaPacket, openMediaFile, type Track } from '@sluice/media';

const PICTURE = ['-f', 'lavfi', '-i', 'testsrc2=s=320x180:r=25'];
const SOUND = ['-f', 'lavfi', '-i', 'sine=440:r=48000'];

/** Options of FFmpeg for a clip's codecs, with a key frame each second. */
export const CODECS = {
  h264Aac: [...'-c:v libx264 -preset ultrafast -pix_fmt yuv420p -g 25 -keyint_min 25 -bf 2 -c:a aac'.split(' ')],
  h264: [...'-an -c:v libx264 -preset ultrafast -pix_fmt yuv420p -g 25 -keyint_min 25'.split(' ')],
  h265: [
    ...'-an -c:v libx265 -preset ultrafast -pix_fmt yuv420p -g 25 -x265-params log-level=none:bframes=0'.split(' '),
  ],
  vp8Opus: [...'-c:v libvpx -deadline realtime -cpu-used 8 -g 25 -c:a libopus'.split(' ')],
} as const;

/** A clip that FFmpeg has made: a moving picture and, unless its options leave it out, a tone. */
export class Clip implements Disposable {
  readonly path: string;
  readonly #folder = mkdtempSync(join(tmpdir(), 'sluice-rtsp-'));

  constructor(codecs: readonly string[], seconds = 3) {
    this.path = join(this.#folder, codecs.includes('libvpx') ? 'clip.webm' : 'clip.mp4');
    execFileSync('ffmpeg', ['-v', 'error', ...PICTURE, ...SOUND, '-t', String(seconds), ...codecs, this.path]);
  }

  /** Its tracks, video first, and packets in the order of decoding. */
  async read(): Promise<{ readonly tracks: readonly Track[]; readonly packets: readonly MediaPacket[] }> {
    const bytes = readFileSync(this.path);
    const source = {
      size: bytes.length,
      read: async (offset: number, length: number) => new Uint8Array(bytes.subarray(offset, offset + length)),
    };
    const reader = await openMediaFile(source);
    const packets: MediaPacket[] = [];
    for await (const packet of reader.readPackets()) packets.push(packet);
    return { tracks: reader.tracks.map(({ track }) => track), packets };
  }

  /** A file beside it. */
  beside(name: string): string {
    return join(this.#folder, name);
  }

  [Symbol.dispose](): void {
    rmSync(this.#folder, { recursive: true });
  }
}

/** What FFmpeg writes hashes of its input's pictures to, as it decodes them, and of its packets of sound as they are. */
export function hashOutputs(tracks: readonly Track[], clip: Clip): string[] {
  const video = ['-map', '0:v', '-vsync', 'passthrough', '-f', 'framemd5', '-y', clip.beside('video.md5')];
  const audio = ['-map', '0:a', '-c', 'copy', '-f', 'framemd5', '-y', clip.beside('audio.md5')];
  return [...video, ...(tracks.length > 1 ? audio : [])];
}

/** The hashes that were written, in their order. */
export function readHashes(tracks: readonly Track[], clip: Clip): Hashes {
  const read = (name: string): string[] =>
    readFileSync(clip.beside(name), 'utf8')
      .split('\n')
      .filter((line) => /^\d/.test(line))
      .map((line) => line.split(',')[5]?.trim() ?? '');
  return { video: read('video.md5'), audio: tracks.length > 1 ? read('audio.md5') : [] };
}

export interface Hashes {
  readonly video: readonly string[];
  readonly audio: readonly string[];
}

/** The hashes of the clip itself. */
export function ownHashes(tracks: readonly Track[], clip: Clip): Hashes {
  execFileSync('ffmpeg', ['-v', 'error', '-i', clip.path, ...hashOutputs(tracks, clip)]);
  return readHashes(tracks, clip);
}

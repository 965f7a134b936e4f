import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { vi } from 'vitest';
import { Program } from '../program.ts';
import { BEEP_HZ, FLASH_INPUT, FLASH_SECONDS } from './flashes.ts';

/** Longer than any test plays. */
const CLIP_SECONDS = 90;
/** Debian's own Python, which has the packages of Debian. */
const PYTHON = '/usr/bin/python3';
const PYTHON_ENV = { ...process.env, PYTHONDONTWRITEBYTECODE: '1' };

const here = (name: string): string => fileURLToPath(new URL(name, import.meta.url));

export type StackCodec = 'H264' | 'VP8';

/** What a stack that plays has decoded so far. */
export interface SeenByStack {
  readonly state: string;
  readonly frames: number;
  readonly samples: number;
  readonly width: number;
  readonly height: number;
  /** When each of them began, milliseconds on one clock. */
  readonly flashes: readonly number[];
  readonly beeps: readonly number[];
}

/** An implementation of WebRTC that is neither Chromium's nor ours, in a process of its own. */
interface Stack {
  /** Publishes flashes and beeps; `folder` keeps what is made once. */
  publish(url: string, codec: StackCodec, folder: string): Program;
  play(url: string, codec: StackCodec): StackPlayer;
}

/** A stack that plays, and what it tells. */
export class StackPlayer extends Program {
  /** Waits until what it tells is as wished, and gives it. */
  async until(wish: (seen: SeenByStack) => boolean, timeoutMs = 20_000): Promise<SeenByStack> {
    const look = (): SeenByStack => {
      const seen = this.seen;
      if (seen === undefined || !wish(seen))
        throw new Error(`it plays otherwise: ${JSON.stringify(seen)}${this.stderr}`);
      return seen;
    };
    return vi.waitFor(look, { timeout: timeoutMs, interval: 100 });
  }

  get seen(): SeenByStack | undefined {
    const line = this.stdout.split('\n').at(-2);
    return line === undefined || line === '' ? undefined : (JSON.parse(line) as SeenByStack);
  }
}

/** aiortc: ICE, RTP and jitter buffer in Python, DTLS of OpenSSL, SRTP of libsrtp with AES_CM_128_HMAC_SHA1_80 alone. */
const AIORTC: Stack = {
  publish: (url, codec) => new Program(PYTHON, aiortcArgs('publish', url, codec), { env: PYTHON_ENV }),
  play: (url, codec) => new StackPlayer(PYTHON, aiortcArgs('play', url, codec), { env: PYTHON_ENV }),
};

/** GStreamer's webrtcbin: libnice, its own DTLS on OpenSSL, libsrtp, its own RTP. */
const GSTREAMER: Stack = {
  publish: (url, codec, folder) => {
    const args = [here('gstreamer_peer.py'), 'publish', url, codec, flashClip(folder, 'raw')];
    return new Program(PYTHON, args, { env: PYTHON_ENV });
  },
  play: (url, codec) => {
    const args = [here('gstreamer_peer.py'), 'play', url, codec, String(BEEP_HZ)];
    return new StackPlayer(PYTHON, args, { env: PYTHON_ENV });
  },
};

/** aiortc that plays through TURN servers. */
export function aiortcBehind(servers: readonly RTCIceServer[], url: string, codec: StackCodec): StackPlayer {
  const env = { ...PYTHON_ENV, ICE_SERVERS: JSON.stringify(servers) };
  return new StackPlayer(PYTHON, aiortcArgs('play', url, codec), { env });
}

export const STACKS = { aiortc: AIORTC, GStreamer: GSTREAMER };

/** FFmpeg 8's WHIP muxer, which publishes H.264 and Opus as they are, and is DTLS server or client as told. */
export function ffmpegWhip(url: string, folder: string, dtls: 'dtls_active' | 'dtls_passive'): Program {
  return new Program(process.execPath, [here('ffmpeg8-whip.mjs'), flashClip(folder, 'encoded'), url, dtls]);
}

function aiortcArgs(role: 'publish' | 'play', url: string, codec: StackCodec): string[] {
  return [here('aiortc_peer.py'), role, url, codec, String(FLASH_SECONDS), String(BEEP_HZ)];
}

/** Flashes and beeps in a file, made once: ready to be sent by WebRTC, or to be encoded. */
function flashClip(folder: string, kind: 'raw' | 'encoded'): string {
  const file = join(folder, `flashes-${kind}.mkv`);
  if (existsSync(file)) return file;
  const baseline = [
    '-c:v',
    'libx264',
    '-preset',
    'veryfast',
    '-profile:v',
    'baseline',
    '-pix_fmt',
    'yuv420p',
    '-g',
    '25',
  ];
  const codecs = { raw: ['-c:v', 'mjpeg', '-c:a', 'pcm_s16le'], encoded: [...baseline, '-c:a', 'libopus'] }[kind];
  const input = FLASH_INPUT.filter((arg) => arg !== '-re');
  execFileSync('ffmpeg', ['-v', 'error', '-y', ...input, '-t', String(CLIP_SECONDS), ...codecs, file]);
  return file;
}

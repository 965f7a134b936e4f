import { AV_PIX_FMT_NV12, type AVPixelFormat } from 'node-av/constants';
import { type CodecContext, Rational } from 'node-av/lib';
import { Encoder, NativeError } from './codec.ts';
import { HardwareFrames } from './hardware-frames.ts';
import { type Picture, planarFormat, setColours } from './video.ts';

export interface H264Settings {
  readonly width: number;
  readonly height: number;
  /** Rate control takes every picture to last this much of a second. */
  readonly fps: number;
  readonly bitrateBps: number;
  /** Bits a second, and bits at once, that the bitrate may be exceeded by for a while. */
  readonly peakBps: number;
  readonly bufferBits: number;
  readonly preset: string;
  /** 66 is constrained baseline, 77 main, 100 high. */
  readonly profile: 66 | 77 | 100;
  /** Level of H.264 times ten, as in its SPS. */
  readonly level: number;
  readonly threads: number;
}

export interface OpenedH264 {
  readonly encoder: Encoder;
  /** FFmpeg's name of it. */
  readonly name: string;
  /** Names of those that come before it and can't be opened here. */
  readonly passedOver: readonly string[];
  /** What its pictures must be. */
  readonly pixelFormat: AVPixelFormat;
}

/** What FFmpeg calls an encoder, and how it is told to make no delay, key frames on demand alone, and a constant rate. */
interface Kind {
  readonly name: string;
  readonly options: (settings: H264Settings) => Readonly<Record<string, string | number>>;
  /** Its pictures have chroma in one plane (NV12). */
  readonly semiPlanar?: boolean;
  /** Its pictures must be in memory of the device. */
  readonly onDevice?: boolean;
}

const X264: Kind = {
  name: 'libx264',
  options: ({ preset, profile, level }) => ({
    preset,
    tune: 'zerolatency',
    profile: { 66: 'baseline', 77: 'main', 100: 'high' }[profile],
    level: (level / 10).toFixed(1),
    'forced-idr': 1,
    // Key frames come when they are asked for, and at no other time.
    'x264-params': 'scenecut=0:keyint=infinite',
  }),
};

const PROFILES = { 66: 'baseline', 77: 'main', 100: 'high' } as const;
const CONSTRAINED = { ...PROFILES, 66: 'constrained_baseline' } as const;

/** By WCS's names. OpenH264 is not in our build of FFmpeg: x264 stands for it. */
const KINDS: Readonly<Record<string, Kind>> = {
  FF: X264,
  OPENH264: {
    name: 'libopenh264',
    options: ({ profile }) => ({ profile: CONSTRAINED[profile], allow_skip_frames: 1 }),
  },
  NVENC: {
    name: 'h264_nvenc',
    options: ({ profile }) => ({
      preset: 'p3',
      tune: 'ull',
      rc: 'cbr',
      zerolatency: 1,
      delay: 0,
      'forced-idr': 1,
      'no-scenecut': 1,
      profile: PROFILES[profile],
    }),
  },
  VAAPI: {
    name: 'h264_vaapi',
    options: ({ profile }) => ({ profile: CONSTRAINED[profile], async_depth: 1, idr_interval: 0 }),
    semiPlanar: true,
    onDevice: true,
  },
  QSV: {
    name: 'h264_qsv',
    options: ({ profile }) => ({ preset: 'veryfast', profile: PROFILES[profile], async_depth: 1, forced_idr: 1 }),
    semiPlanar: true,
  },
  V4L2M2M: { name: 'h264_v4l2m2m', options: () => ({}), semiPlanar: true },
  AMF: {
    name: 'h264_amf',
    options: ({ profile }) => ({
      usage: 'ultralowlatency',
      profile: CONSTRAINED[profile],
      rc: 'cbr',
      forced_idr: 1,
    }),
    semiPlanar: true,
  },
  VIDEOTOOLBOX: {
    name: 'h264_videotoolbox',
    options: ({ profile }) => ({ realtime: 1, prio_speed: 1, profile: CONSTRAINED[profile] }),
    semiPlanar: true,
  },
};

/** Hardware ends its groups of pictures by itself after as many. */
const ENDLESS = 32_767;

/**
 * Opens the first of these encoders (WCS's names) that can be opened here, x264 when none can; its times are
 * microseconds, and it has no delay and no reordered pictures.
 * @throws NativeError
 */
export function openH264(settings: H264Settings, like: Picture, priority: readonly string[]): OpenedH264 {
  const passedOver: string[] = [];
  for (const kind of kindsOf(priority)) {
    try {
      return { ...openKind(kind, settings, like), name: kind.name, passedOver };
    } catch (error) {
      if (!(error instanceof NativeError) || kind === X264) throw error;
      passedOver.push(kind.name);
    }
  }
  throw new NativeError('no encoder of H.264 can be opened');
}

/** Each once, x264 at the latest in the last place. */
function kindsOf(priority: readonly string[]): Set<Kind> {
  const kinds = priority.flatMap((name) => KINDS[name.toUpperCase()] ?? []);
  return new Set([...kinds, X264]);
}

function openKind(kind: Kind, settings: H264Settings, like: Picture) {
  const pixelFormat = kind.semiPlanar ? AV_PIX_FMT_NV12 : planarFormat(like);
  const device = kind.onDevice ? new HardwareFrames(settings) : undefined;
  try {
    const encoder = new Encoder({
      name: kind.name,
      options: { ...kind.options(settings), flags: '+global_header' },
      configure: (context) => {
        context.pixelFormat = pixelFormat;
        configure(context, settings, like);
        if (kind !== X264) context.gopSize = ENDLESS;
        device?.connect(context);
      },
      device,
    });
    return { encoder, pixelFormat };
  } catch (error) {
    device?.close();
    throw error;
  }
}

function configure(context: CodecContext, settings: H264Settings, like: Picture): void {
  const { width, height, fps, bitrateBps, peakBps, bufferBits, threads } = settings;
  context.width = width;
  context.height = height;
  context.sampleAspectRatio = like.sampleAspectRatio;
  context.timeBase = new Rational(1, 1_000_000);
  context.framerate = new Rational(Math.round(fps * 1000), 1000);
  context.bitRate = BigInt(bitrateBps);
  context.rcMaxRate = BigInt(peakBps);
  context.rcBufferSize = bufferBits;
  context.maxBFrames = 0;
  context.threadCount = threads;
  setColours(context, like);
}

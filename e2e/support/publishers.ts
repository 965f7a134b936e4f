import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Ffmpeg } from './ffmpeg.ts';
import { Program } from './program.ts';
import { PICTURE_RATE, TONE_HZ } from './watched.ts';

const FFMPEG8_PUBLISH = fileURLToPath(new URL('./ffmpeg8-publish.mjs', import.meta.url));
/** Longer than any row of the matrix takes. */
const CLIP_SECONDS = 40;
const LENGTH = ['-t', String(CLIP_SECONDS)];
const PICTURE = `testsrc2=s=320x180:r=${PICTURE_RATE}`;

/** Encoder arguments of Debian's ffmpeg for the codecs that it can send by RTMP. */
const FFMPEG5_CODECS = {
  'H.264': ['-c:v', 'libx264', '-preset', 'veryfast', '-bf', '0'],
  'H.264 with B-frames': ['-c:v', 'libx264', '-preset', 'veryfast', '-bf', '3'],
  'Sorenson H.263': ['-c:v', 'flv1', '-b:v', '600k'],
  AAC: ['-c:a', 'aac', '-b:a', '96k'],
  MP3: ['-c:a', 'libmp3lame', '-ar', '44100'],
  Speex: ['-c:a', 'libspeex', '-ar', '16000'],
  'G.711 A-law': ['-c:a', 'pcm_alaw', '-ar', '8000'],
  'G.711 µ-law': ['-c:a', 'pcm_mulaw', '-ar', '8000'],
} as const;

/** Encoders of FFmpeg 8 for the codecs that it can send by RTMP. */
const FFMPEG8_ENCODERS = {
  'H.264': 'libx264',
  'H.265': 'libx265',
  AV1: 'libsvtav1',
  VP9: 'libvpx-vp9',
  AAC: 'aac',
  Opus: 'libopus',
} as const;

/** Starts a publisher that sends to the URL until it is stopped; `folder` keeps clips that are made once. */
export type Publish = (url: string, folder: string) => Program;

type Ffmpeg5Codec = keyof typeof FFMPEG5_CODECS;
type Ffmpeg8Codec = keyof typeof FFMPEG8_ENCODERS;

/** Debian's ffmpeg 5.1, which sends a clip. */
export function ffmpeg5Publisher(video: Ffmpeg5Codec | undefined, audio: Ffmpeg5Codec | undefined): Publish {
  return (url, folder) => {
    const clip = join(folder, `${video ?? 'none'}-${audio ?? 'none'}.flv`.replaceAll(' ', '-'));
    if (!existsSync(clip)) encodeClip(clip, video, audio);
    return new Ffmpeg(['-v', 'error', '-re', '-i', clip, '-c', 'copy', '-f', 'flv', url]);
  };
}

/** FFmpeg 8, which sends codecs beyond the old ones by Enhanced RTMP. */
export function ffmpeg8Publisher(video: Ffmpeg8Codec | undefined, audio: Ffmpeg8Codec | undefined): Publish {
  const encoders = [video, audio].map((codec) => (codec === undefined ? 'none' : FFMPEG8_ENCODERS[codec]));
  return (url) => new Program(process.execPath, [FFMPEG8_PUBLISH, url, ...encoders]);
}

/** GStreamer, which sends a clip that it has encoded itself. */
export const gstreamerPublisher: Publish = (url, folder) => {
  const clip = join(folder, 'gstreamer.flv');
  if (!existsSync(clip)) encodeGstreamerClip(clip);
  const output = `flvmux name=mux streamable=true ! rtmp2sink sync=true location=${url}`;
  const source = `filesrc location=${clip} ! flvdemux name=demux`;
  const tracks = 'demux.video ! queue ! h264parse ! mux. demux.audio ! queue ! aacparse ! mux.';
  return new Program('gst-launch-1.0', ['-q', ...`${output} ${source} ${tracks}`.split(' ')]);
};

function encodeGstreamerClip(clip: string): void {
  const picture = `videotestsrc num-buffers=${CLIP_SECONDS * PICTURE_RATE}`;
  const format = `video/x-raw,width=320,height=180,framerate=${PICTURE_RATE}/1`;
  const video = `${picture} ! ${format} ! x264enc speed-preset=veryfast bframes=0 key-int-max=${PICTURE_RATE} ! mux.`;
  const tone = `audiotestsrc num-buffers=${Math.round((CLIP_SECONDS * 48_000) / 1024)} freq=${TONE_HZ} volume=0.2`;
  const audio = `${tone} ! audio/x-raw,rate=48000,channels=2 ! audioconvert ! avenc_aac ! mux.`;
  const pipeline = `flvmux name=mux ! filesink location=${clip} ${video} ${audio}`;
  execFileSync('gst-launch-1.0', ['-q', ...pipeline.split(' ')]);
}

/** A picture is encoded once and copied beside each sound; NUT keeps the times that B-frames begin with. */
function encodeClip(clip: string, video: Ffmpeg5Codec | undefined, audio: Ffmpeg5Codec | undefined): void {
  const picture = join(dirname(clip), `${video}.nut`.replaceAll(' ', '-'));
  if (video !== undefined && !existsSync(picture)) {
    const rest = ['-g', String(PICTURE_RATE), '-pix_fmt', 'yuv420p', ...LENGTH, picture];
    run(['-f', 'lavfi', '-i', PICTURE, ...FFMPEG5_CODECS[video], ...rest]);
  }
  const pictures = video === undefined ? [] : ['-i', picture];
  const tone = audio === undefined ? [] : ['-f', 'lavfi', '-i', `sine=${TONE_HZ}:r=48000`];
  const codecs = audio === undefined ? [] : FFMPEG5_CODECS[audio];
  run([...pictures, ...tone, '-c:v', 'copy', ...codecs, ...LENGTH, clip]);
}

function run(args: readonly string[]): void {
  execFileSync('ffmpeg', ['-v', 'error', '-y', ...args]);
}

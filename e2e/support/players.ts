import { chmodSync, existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Program } from './program.ts';
import { readRecording, readY4mPictures, tonePcmMs, toneWavMs } from './recording.ts';
import { PICTURE_RATE, type Watched } from './watched.ts';

const FFMPEG8_PLAY = fileURLToPath(new URL('./ffmpeg8-play.mjs', import.meta.url));
const NOBODY = '65534';
/** A decoded picture of the publishers of the matrix: 320x180 in 4:2:0. */
const PICTURE_BYTES = (320 * 180 * 3) / 2;

export interface Viewing {
  readonly url: string;
  /** An empty folder for what the player writes. */
  readonly folder: string;
  /** What the publisher sends. */
  readonly sends: { readonly video: boolean; readonly audio: boolean };
  readonly until: Until;
}

/** When a player has seen enough: after so many seconds of each of these, or after the timeout. */
export interface Until {
  readonly seconds: number;
  readonly video: boolean;
  readonly audio: boolean;
  readonly timeoutMs: number;
}

/** Plays a URL for some seconds and tells what was decoded. Never rejects because of what the server until. */
export type Player = (viewing: Viewing) => Promise<Watched>;

/** Debian's ffmpeg. */
export const ffmpeg5: Player = async ({ url, folder, until }) => {
  const file = join(folder, 'decoded.nut');
  const raw = ['-c:v', 'rawvideo', '-c:a', 'pcm_s16le', '-t', String(until.seconds), '-f', 'nut', file];
  const program = new Program('ffmpeg', ['-hide_banner', '-nostdin', '-v', 'warning', '-i', url, ...raw]);
  await finish(program, until);
  return { ...readRecording(file), log: program.stderr };
};

/** FFmpeg 8, by the binding of node-av. */
export const ffmpeg8: Player = async ({ url, folder, until }) => {
  const pcm = join(folder, 'sound.pcm');
  const program = new Program(process.execPath, [FFMPEG8_PLAY, url, String(until.seconds * 1000), pcm]);
  await finish(program, until);
  return { pictures: picturesOf(program.stdout), toneMs: tonePcmMs(pcm), log: program.stderr };
};

/** VLC with its own clock; pictures and sound go to files as they are shown. */
export const vlc: Player = async ({ url, folder, until }) => {
  const [y4m, wav] = [join(folder, 'pictures.y4m'), join(folder, 'sound.wav')];
  const picture = ['--vout=yuv', `--yuv-file=${y4m}`, '--yuv-yuv4mpeg2', '--yuv-chroma=I420'];
  const sound = ['--aout=afile', `--audiofile-file=${wav}`, '--audiofile-format=s16'];
  const rest = ['-I', 'dummy', '--no-video-title-show', '--play-and-exit', url];
  const args = [...picture, ...sound, ...rest];
  // VLC refuses to run as root.
  const asNobody = ['--reuid', NOBODY, '--regid', NOBODY, '--clear-groups', 'vlc', ...args];
  const isRoot = process.getuid?.() === 0;
  if (isRoot) chmodSync(folder, 0o777);
  const env = { ...process.env, HOME: folder, XDG_RUNTIME_DIR: folder };
  const program = new Program(isRoot ? 'setpriv' : 'vlc', isRoot ? asNobody : args, { env, cwd: folder });
  const enough = (): boolean =>
    (!until.video || sizeOf(y4m) > until.seconds * PICTURE_RATE * PICTURE_BYTES) &&
    (!until.audio || sizeOf(wav) > until.seconds * 48_000 * 2);
  await finish(program, until, enough);
  return { pictures: readY4mPictures(y4m), toneMs: toneWavMs(wav), log: program.stderr };
};

/** mpv with its own clock; a filter tells each decoded picture, sound goes to a file. */
export const mpv: Player = async ({ url, folder, until }) => {
  const wav = join(folder, 'sound.wav');
  const picture = ['--vo=null', '--vf=lavfi=[showinfo]'];
  const sound = ['--ao=pcm', `--ao-pcm-file=${wav}`, '--audio-format=s16', '--audio-samplerate=48000'];
  const rest = ['--no-config', '--msg-level=all=warn,ffmpeg=v', '--msg-color=no', `--length=${until.seconds}`];
  const program = new Program('mpv', [...picture, ...sound, ...rest, url]);
  await finish(program, until);
  const log = program.stdout + program.stderr;
  const lines = log.matchAll(/showinfo\S* n: *\d+ pts:.*?pts_time:(\S+).* checksum:(\S+)/g);
  const pictures = [...lines].map(([, time, hash]) => ({ timeMs: Number(time) * 1000, hash: hash ?? '' }));
  return { pictures, toneMs: toneWavMs(wav), log: log.replaceAll(/.*showinfo.*\n/g, '') };
};

/** rtmpdump, which records; FFmpeg 8 decodes the recording. */
export const rtmpdump: Player = async (viewing) => {
  const file = join(viewing.folder, 'dump.flv');
  const program = new Program('rtmpdump', ['-q', '--live', '-r', viewing.url, '-o', file]);
  let startedAt: number | undefined;
  const enough = (): boolean => {
    if (sizeOf(file) > 0) startedAt ??= Date.now();
    return startedAt !== undefined && Date.now() - startedAt > viewing.until.seconds * 1000 + 500;
  };
  await finish(program, viewing.until, enough);
  if (sizeOf(file) === 0) return { pictures: [], toneMs: 0, log: program.stderr };
  const watched = await ffmpeg8({ ...viewing, url: file });
  return { ...watched, log: program.stderr + watched.log };
};

/** GStreamer, with the elements that it chooses by itself. */
export const gstreamer: Player = async ({ url, folder, sends, until }) => {
  const pcm = join(folder, 'sound.pcm');
  // Not uridecodebin: it has gst-launch pause the pipeline at times to fill a buffer, and a branch may stay paused.
  const element = url.startsWith('rtmp') ? 'rtmp2src' : 'souphttpsrc';
  const rtsp = url.startsWith('rtsp');
  const source = rtsp ? ['rtspsrc', `location=${url}`] : [element, `location=${url}`, '!', 'decodebin'];
  const decoded = (media: string): string => (rtsp ? `d. ! application/x-rtp,media=${media} ! decodebin` : 'd.');
  const picture = `${decoded('video')} ! queue ! videoconvert ! video/x-raw,format=I420 ! checksumsink hash=md5 sync=false async=false`;
  const format = 'audio/x-raw,format=S16LE,rate=48000,channels=1,layout=interleaved';
  const sound = `${decoded('audio')} ! queue ! audioconvert ! audioresample ! ${format} ! filesink async=false sync=false buffer-mode=2`;
  const branches = [sends.video ? picture : '', sends.audio ? `${sound} location=${pcm}` : ''];
  const pipeline = [...source, 'name=d', ...branches.join(' ').split(' ').filter(Boolean)];
  const env = { ...process.env, GST_DEBUG: '1', GST_DEBUG_NO_COLOR: '1' };
  const program = new Program('gst-launch-1.0', ['-q', ...pipeline], { env });
  const pictures = (): Watched['pictures'] =>
    [...program.stdout.matchAll(/^(\d+):(\d+):(\S+) ([0-9a-f]{32})$/gm)].map(([, hours, minutes, seconds, hash]) => ({
      timeMs: (Number(hours) * 3600 + Number(minutes) * 60 + Number(seconds)) * 1000,
      hash: hash ?? '',
    }));
  const enough = (): boolean =>
    (!until.video || pictures().length >= until.seconds * PICTURE_RATE) &&
    (!until.audio || (existsSync(pcm) && statSync(pcm).size >= until.seconds * 48_000 * 2));
  await finish(program, until, enough);
  return { pictures: pictures(), toneMs: tonePcmMs(pcm), log: program.stderr };
};

function sizeOf(file: string): number {
  return existsSync(file) ? statSync(file).size : 0;
}

async function finish(program: Program, until: Until, enough: () => boolean = () => false): Promise<void> {
  await program.runUntil(enough, until.timeoutMs);
  await program.stop('SIGTERM');
}

function picturesOf(text: string): Watched['pictures'] {
  const lines = text.matchAll(/^picture (\S+) (\S+)$/gm);
  return [...lines].map(([, time, hash]) => ({ timeMs: Number(time), hash: hash ?? '' }));
}

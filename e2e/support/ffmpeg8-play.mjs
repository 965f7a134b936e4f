// Plays a URL with FFmpeg 8 and decodes it: ffmpeg8-play.mjs URL MS PCM_FILE
// Prints `picture TIME_MS HASH` for each picture; sound goes to the file as 48 kHz 16-bit mono.
import { createHash } from 'node:crypto';
import { closeSync, openSync, writeSync } from 'node:fs';
import { AV_LOG_ERROR, AV_SAMPLE_FMT_S16, AVMEDIA_TYPE_AUDIO, AVMEDIA_TYPE_VIDEO } from 'node-av/constants';
import {
  Codec,
  CodecContext,
  Dictionary,
  FormatContext,
  Frame,
  Log,
  Packet,
  SoftwareResampleContext,
} from 'node-av/lib';

const [url, durationMs, pcmFile] = process.argv.slice(2);
const MONO = { order: 1, nbChannels: 1, mask: 4n };
const STEREO = { order: 1, nbChannels: 2, mask: 3n };

Log.setLevel(AV_LOG_ERROR);
const input = new FormatContext();
check(await input.openInput(url, null, options()), url);
check(await input.findStreamInfo(null), 'stream information');
/** By stream; a track that appears later gets its decoder then. */
const decoders = new Map();
const pcm = openSync(pcmFile, 'w');
let resampler;
let resampledRate = 0;
let startMs;
await play();
closeSync(pcm);
process.exit(0);

/** By RTMP it announces all that it knows; without, it would be sent what players of old know. */
function options() {
  if (!url.startsWith('rtmp:')) return null;
  return Dictionary.fromObject({ rtmp_enhanced_codecs: 'hvc1,av01,vp09,Opus' });
}

function check(code, what) {
  if (code < 0) throw new Error(`${what} failed with ${code}`);
  return code;
}

/** None for captions and data: FFmpeg aborts the process when it is asked to decode those as frames. */
function openDecoder(stream) {
  if (![AVMEDIA_TYPE_VIDEO, AVMEDIA_TYPE_AUDIO].includes(stream.codecpar.codecType)) return undefined;
  const codec = Codec.findDecoder(stream.codecpar.codecId);
  if (codec === null) throw new Error(`no decoder for codec ${stream.codecpar.codecId}`);
  const context = new CodecContext();
  context.allocContext3(codec);
  check(context.parametersToContext(stream.codecpar), 'parameters');
  context.threadCount = 1;
  check(context.open2Sync(codec, null), 'decoder');
  return context;
}

async function play() {
  const [packet, frame, mono] = [new Packet(), new Frame(), new Frame()];
  for (const object of [packet, frame, mono]) object.alloc();
  while ((await input.readFrame(packet)) >= 0) {
    const stream = input.streams[packet.streamIndex];
    if (!decoders.has(packet.streamIndex)) decoders.set(packet.streamIndex, openDecoder(stream));
    const decoder = decoders.get(packet.streamIndex);
    const { num, den } = stream.timeBase;
    decoder?.sendPacketSync(packet);
    packet.unref();
    while (decoder !== undefined && decoder.receiveFrameSync(frame) >= 0) {
      const timeMs = (Number(frame.bestEffortTimestamp) * num * 1000) / den;
      startMs ??= timeMs;
      if (decoder.codecType === AVMEDIA_TYPE_VIDEO) showPicture(frame, timeMs);
      if (decoder.codecType === AVMEDIA_TYPE_AUDIO) keepSound(frame, mono);
      frame.unref();
      if (timeMs - startMs > Number(durationMs)) return;
    }
  }
}

function showPicture(frame, timeMs) {
  const hash = createHash('md5').update(frame.data[0]).digest('hex');
  process.stdout.write(`picture ${timeMs} ${hash}\n`);
}

function keepSound(frame, mono) {
  // A decoder that leaves the channels' order open confuses the resampler.
  if (frame.channelLayout.order === 0) frame.channelLayout = frame.channels === 1 ? MONO : STEREO;
  if (resampler === undefined || resampledRate !== frame.sampleRate) {
    resampledRate = frame.sampleRate;
    resampler = new SoftwareResampleContext();
    const from = [frame.channelLayout, frame.format, frame.sampleRate];
    check(resampler.allocSetOpts2(MONO, AV_SAMPLE_FMT_S16, 48_000, ...from), 'resampler');
  }
  Object.assign(mono, { format: AV_SAMPLE_FMT_S16, sampleRate: 48_000, channelLayout: MONO });
  check(resampler.convertFrame(mono, frame), 'resampling');
  writeSync(pcm, mono.data[0].subarray(0, mono.nbSamples * 2));
  mono.unref();
}

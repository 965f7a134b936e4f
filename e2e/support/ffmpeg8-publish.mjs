// Publishes a test picture and a 440 Hz tone by RTMP with FFmpeg 8, in real time until it is told to end:
// ffmpeg8-publish.mjs URL VIDEO_ENCODER|none AUDIO_ENCODER|none
// Debian's ffmpeg 5.1 knows no Enhanced RTMP. Only synchronous codec calls and no dictionary for open2Sync: node-av's
// other ways can crash the process.
import {
  AV_CODEC_FLAG_GLOBAL_HEADER,
  AV_LOG_ERROR,
  AV_PIX_FMT_YUV420P,
  AV_PKT_FLAG_KEY,
  AV_SAMPLE_FMT_FLTP,
  AV_SAMPLE_FMT_S16,
} from 'node-av/constants';
import { Codec, CodecContext, Dictionary, FilterGraph, FormatContext, Frame, Log, Packet } from 'node-av/lib';

const [url, videoEncoder, audioEncoder] = process.argv.slice(2);
const RATE = 25;
const SAMPLES = 48_000;
/** Whole numbers of groups of pictures, of AAC frames, of Opus packets and of the tone's periods: it loops seamlessly. */
const LOOP_SECONDS = 8;
const VIDEO = `testsrc2=s=320x180:r=${RATE},format=yuv420p,buffersink@out`;
const AUDIO = `sine=440:r=${SAMPLES},aformat=channel_layouts=stereo:sample_fmts=`;

const OPTIONS = {
  libx264: { preset: 'veryfast', tune: 'zerolatency' },
  libx265: { preset: 'ultrafast', tune: 'zerolatency', 'x265-params': 'log-level=error:repeat-headers=0' },
  libsvtav1: { preset: '10', crf: '35', 'svtav1-params': 'pred-struct=1' },
  libvpx: { deadline: 'realtime', 'cpu-used': '8', 'lag-in-frames': '0' },
  'libvpx-vp9': { deadline: 'realtime', 'cpu-used': '8', 'lag-in-frames': '0' },
  libopus: { application: 'audio' },
};

function check(code, what) {
  if (code < 0) throw new Error(`${what} failed with ${code}`);
  return code;
}

function openEncoder(name, settings) {
  const codec = Codec.findEncoderByName(name);
  if (codec === null) throw new Error(`no encoder ${name}`);
  const context = new CodecContext();
  context.allocContext3(codec);
  Object.assign(context, { threadCount: 1, ...settings });
  context.setFlags(AV_CODEC_FLAG_GLOBAL_HEADER);
  for (const [key, value] of Object.entries(OPTIONS[name] ?? {})) check(context.setOption(key, value), key);
  check(context.open2Sync(codec, null), name);
  return context;
}

function openVideo() {
  const timeBase = { num: 1, den: RATE };
  const size = { width: 320, height: 180, pixelFormat: AV_PIX_FMT_YUV420P, timeBase, framerate: { num: RATE, den: 1 } };
  const context = openEncoder(videoEncoder, {
    ...size,
    gopSize: RATE,
    maxBFrames: 0,
    bitRate: videoEncoder === 'libsvtav1' ? 0n : 400_000n,
  });
  return { context, graph: VIDEO, length: LOOP_SECONDS * RATE, frameLength: 1 };
}

function openAudio() {
  const planar = audioEncoder === 'aac';
  const format = { sampleRate: SAMPLES, sampleFormat: planar ? AV_SAMPLE_FMT_FLTP : AV_SAMPLE_FMT_S16 };
  const channelLayout = { order: 1, nbChannels: 2, mask: 3n };
  const timeBase = { num: 1, den: SAMPLES };
  const context = openEncoder(audioEncoder, { ...format, channelLayout, timeBase, bitRate: 96_000n });
  const frameLength = context.frameSize || SAMPLES / 50;
  const graph = `${AUDIO}${planar ? 'fltp' : 's16'},asetnsamples=${frameLength},abuffersink@out`;
  return { context, graph, length: LOOP_SECONDS * SAMPLES, frameLength };
}

/** Encodes one round of a track; an encoder's delay shows as a round that starts a little later. */
function encodeRound({ context, graph, length, frameLength }) {
  const filters = new FilterGraph();
  filters.alloc();
  check(filters.parsePtr(graph), graph);
  check(filters.configSync(), graph);
  const [sink, frame, packet] = [filters.getFilter(graph.split(',').at(-1)), new Frame(), new Packet()];
  frame.alloc();
  packet.alloc();
  const units = [];
  const count = length / frameLength;
  // The first second stays out of an audio round: its encoder is still warming up.
  const skipped = frameLength === 1 ? 0 : Math.round(SAMPLES / frameLength);
  for (let at = 0; units.length < count + skipped; at++) {
    check(sink.buffersinkGetFrameSync(frame), 'source');
    frame.pts = BigInt(at * frameLength);
    frame.pictType = 0;
    check(context.sendFrameSync(frame), 'encoder');
    frame.unref();
    while (context.receivePacketSync(packet) >= 0) {
      units.push({ data: Buffer.from(packet.data), key: (packet.flags & AV_PKT_FLAG_KEY) !== 0 });
      packet.unref();
    }
  }
  return units.slice(skipped, skipped + count);
}

async function openOutput(tracks) {
  const output = new FormatContext();
  check(output.allocOutputContext2(null, 'flv', url), 'flv');
  const streams = tracks.map(({ context }) => {
    const stream = output.newStream(null);
    check(stream.codecpar.fromContext(context), 'parameters');
    stream.codecpar.codecTag = 0;
    stream.timeBase = context.timeBase;
    return stream;
  });
  output.url = url;
  check(await output.openOutput(), url);
  const options = Dictionary.fromObject({ flvflags: 'no_duration_filesize' });
  check(await output.writeHeader(options), 'header');
  return { output, streams };
}

Log.setLevel(AV_LOG_ERROR);
const tracks = [];
if (videoEncoder !== 'none') tracks.push(openVideo());
if (audioEncoder !== 'none') tracks.push(openAudio());
for (const track of tracks) track.units = encodeRound(track);
const { output, streams } = await openOutput(tracks);

let stopped = false;
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => (stopped = true));
process.stdout.write('publishing\n');
const started = performance.now();
const next = tracks.map(() => 0);
const packet = new Packet();
packet.alloc();
while (!stopped) {
  const now = performance.now() - started;
  const times = tracks.map((track, i) => (next[i] * track.frameLength * 1000) / track.context.timeBase.den);
  const first = times.indexOf(Math.min(...times));
  if (times[first] > now) {
    await new Promise((resolve) => setTimeout(resolve, times[first] - now));
    continue;
  }
  const track = tracks[first];
  const unit = track.units[next[first] % track.units.length];
  packet.data = unit.data;
  packet.pts = packet.dts = BigInt(next[first] * track.frameLength);
  packet.duration = BigInt(track.frameLength);
  packet.flags = unit.key ? AV_PKT_FLAG_KEY : 0;
  packet.streamIndex = first;
  packet.rescaleTs(track.context.timeBase, streams[first].timeBase);
  check(await output.writeFrame(packet), 'sending');
  packet.unref();
  next[first]++;
}
await output.writeTrailer();
process.exit(0);

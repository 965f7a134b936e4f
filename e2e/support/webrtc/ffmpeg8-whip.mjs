// Publishes a file by WHIP with FFmpeg 8, in real time until it is told to end:
// ffmpeg8-whip.mjs FILE URL dtls_active|dtls_passive
// Debian's ffmpeg 5.1 has no WHIP.
import { AV_LOG_ERROR } from 'node-av/constants';
import { Dictionary, FormatContext, Log, Packet } from 'node-av/lib';

const [file, url, dtls] = process.argv.slice(2);

function check(code, what) {
  if (code < 0) throw new Error(`${what} failed with ${code}`);
}

Log.setLevel(AV_LOG_ERROR);
const input = new FormatContext();
check(await input.openInput(file, null, null), file);
check(await input.findStreamInfo(null), file);
const output = new FormatContext();
check(output.allocOutputContext2(null, 'whip', url), url);
const streams = input.streams.map(({ codecpar, timeBase }) => {
  const stream = output.newStream(null);
  codecpar.copy(stream.codecpar);
  stream.timeBase = timeBase;
  return stream;
});
check(await output.writeHeader(dtls === 'dtls_active' ? Dictionary.fromObject({ whip_flags: dtls }) : null), 'header');

let stopped = false;
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => (stopped = true));
const beganMs = performance.now();
const packet = new Packet();
packet.alloc();
while (!stopped && (await input.readFrame(packet)) >= 0) {
  const { timeBase } = input.streams[packet.streamIndex];
  const stream = streams[packet.streamIndex];
  const dueMs = beganMs + (Number(packet.dts) * timeBase.num * 1000) / timeBase.den;
  const waitMs = dueMs - performance.now();
  if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs));
  packet.rescaleTs(timeBase, stream.timeBase);
  check(await output.interleavedWriteFrame(packet), 'sending');
  packet.unref();
}
await output.writeTrailer();
process.exit(0);

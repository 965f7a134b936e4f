// Many RTMP publishers of one clip, in real time. Runs as a process of its own: rtmp-publish-load.mjs PORT CLIP COUNT
// Prints "ready" once the server has accepted every publisher, then a line of total bytes sent, connections closed and
// the time in ms that sending was late at worst, for each line that it reads.
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { createInterface } from 'node:readline';
import { encodeAmf0, FlvDemuxer } from '@sluice/media';
import { MESSAGE, setChunkSize, writeMessage } from '../../packages/server/dist/protocols/rtmp/wire/chunk-writer.js';

const [port, clip, count] = [Number(process.argv[2]), process.argv[3], Number(process.argv[4])];
const SHAKE = 1536;
const CHUNK = 4096;
const CONNECTING_AT_ONCE = 50;
/** Publishers of a group send the same bytes at the same moment; the groups start evenly within one key-frame interval. */
const GROUPS = 20;
const KEY_INTERVAL_MS = 2000;
const TICK_MS = 5;

const tags = new FlvDemuxer().push(readFileSync(clip)).filter((tag) => tag.type !== 18);
const lengthMs = Math.round(tags.at(-1).timestampMs / KEY_INTERVAL_MS) * KEY_INTERVAL_MS;
const groups = Array.from({ length: GROUPS }, (_, i) => ({
  sockets: [],
  startMs: (i * KEY_INTERVAL_MS) / GROUPS,
  next: 0,
}));
let sent = 0;
let closed = 0;
let worstLateMs = 0;

function command(streamId, ...values) {
  return writeMessage(
    { chunkStreamId: 3, type: MESSAGE.command, streamId, timestamp: 0 },
    encodeAmf0(...values),
    CHUNK,
  );
}

/** Shakes hands and asks for everything in one write; resolves when the server says that publishing may start. */
function open(name) {
  const commands = Buffer.concat([
    Buffer.alloc(SHAKE),
    setChunkSize(CHUNK),
    command(0, 'connect', 1, { app: 'live', tcUrl: `rtmp://127.0.0.1:${port}/live` }),
    command(0, 'createStream', 2, null),
    command(1, 'publish', 3, null, name, 'live'),
  ]);
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true });
    let held = Buffer.alloc(0);
    const onData = (bytes) => {
      const before = held.length;
      held = Buffer.concat([held, bytes]);
      const shaken = 1 + 2 * SHAKE;
      if (before < shaken && held.length >= shaken) socket.write(commands);
      if (!held.includes('NetStream.Publish.Start')) return;
      socket.off('data', onData).resume();
      resolve(socket);
    };
    socket.on('data', onData);
    socket.on('connect', () => socket.write(Buffer.concat([Uint8Array.of(3), Buffer.alloc(SHAKE)])));
    socket.on('error', reject);
    socket.on('close', () => {
      closed++;
      reject(new Error('the server closed a connection'));
    });
  });
}

/** Sends what of a group is due: each tag is made into chunks once. */
function send(group, nowMs) {
  for (;;) {
    const tag = tags[group.next % tags.length];
    const timestamp = Math.floor(group.next / tags.length) * lengthMs + tag.timestampMs;
    const lateMs = nowMs - group.startMs - timestamp;
    if (lateMs < 0) return;
    worstLateMs = Math.max(worstLateMs, lateMs);
    const header = { chunkStreamId: tag.type === 9 ? 6 : 4, type: tag.type, streamId: 1, timestamp };
    const bytes = writeMessage(header, tag.data, CHUNK);
    for (const socket of group.sockets) socket.write(bytes);
    sent += bytes.length * group.sockets.length;
    group.next++;
  }
}

for (let done = 0; done < count; done += CONNECTING_AT_ONCE) {
  const names = Array.from({ length: Math.min(CONNECTING_AT_ONCE, count - done) }, (_, i) => `bench${done + i}`);
  const sockets = await Promise.all(names.map(open));
  for (const [i, socket] of sockets.entries()) groups[(done + i) % GROUPS].sockets.push(socket);
}
const started = performance.now();
setInterval(() => {
  const nowMs = performance.now() - started;
  for (const group of groups) send(group, nowMs);
}, TICK_MS);
process.stdout.write('ready\n');
for await (const _ of createInterface({ input: process.stdin })) {
  process.stdout.write(`${sent} ${closed} ${Math.round(worstLateMs)}\n`);
  worstLateMs = 0;
}
process.exit(0);

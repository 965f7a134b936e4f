// Many RTMP viewers that read and forget. Runs as a process of its own: rtmp-load.mjs PORT STREAM COUNT
// Prints "ready" once every viewer gets media, then a line of total bytes for each line that it reads.
import { connect } from 'node:net';
import { createInterface } from 'node:readline';
import { encodeAmf0 } from '@sluice/media';
import { MESSAGE, writeMessage } from '../../packages/server/dist/protocols/rtmp/wire/chunk-writer.js';

const [port, stream, count] = [Number(process.argv[2]), process.argv[3], Number(process.argv[4])];
const SHAKE = 1536;
/** A viewer that has got this much has headers and pictures. */
const PLAYING_BYTES = 20_000;
const CONNECTING_AT_ONCE = 50;
const header = (streamId) => ({ chunkStreamId: 3, type: MESSAGE.command, streamId, timestamp: 0 });
const commands = Buffer.concat([
  writeMessage(header(0), encodeAmf0('connect', 1, { app: 'live', tcUrl: `rtmp://127.0.0.1:${port}/live` }), 128),
  writeMessage(header(0), encodeAmf0('createStream', 2, null), 128),
  writeMessage(header(1), encodeAmf0('play', 3, null, stream), 128),
]);
const shared = Buffer.alloc(256 * 1024);
let total = 0;
let playing = 0;
let closed = 0;

function open() {
  return new Promise((resolve, reject) => {
    let received = 0;
    let stage = 0;
    const socket = connect({
      port,
      host: '127.0.0.1',
      onread: {
        buffer: shared,
        callback(bytes) {
          received += bytes;
          total += bytes;
          if (stage === 0 && received >= 1 + 2 * SHAKE) {
            stage = 1;
            socket.write(Buffer.concat([Buffer.alloc(SHAKE), commands]));
          } else if (stage === 1 && received > PLAYING_BYTES) {
            stage = 2;
            playing++;
            resolve();
          }
          return true;
        },
      },
    });
    socket.on('connect', () => socket.write(Buffer.concat([Uint8Array.of(3), Buffer.alloc(SHAKE)])));
    socket.on('error', reject);
    socket.on('close', () => closed++);
  });
}

for (let done = 0; done < count; done += CONNECTING_AT_ONCE) {
  await Promise.all(Array.from({ length: Math.min(CONNECTING_AT_ONCE, count - done) }, open));
}
process.stdout.write('ready\n');
for await (const _ of createInterface({ input: process.stdin }))
  process.stdout.write(`${total} ${playing} ${closed}\n`);
process.exit(0);

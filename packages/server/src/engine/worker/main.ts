import { writeSync } from 'node:fs';
import { Socket } from 'node:net';
import { AudioBridge } from './audio-bridge.ts';
import { silenceNativeLog } from './native/log.ts';
import { PictureFeed } from './picture-feed.ts';
import { PictureTaker } from './picture-taker.ts';
import { SrtWorker } from './srt-worker.ts';
import { Worker } from './worker.ts';

/** The socket pair to the server, as its child_process gives it. */
const LINK_FD = 3;
/** A file that outlives this process: the conversion that it was working on. */
const BLACK_BOX_FD = 4;
/** Closed SRT connections say goodbye within this. */
const PATIENCE_MS = 700;

silenceNativeLog();
const socket = new Socket({ fd: LINK_FD, readable: true, writable: true });
// The server is told to stop by the same Ctrl-C, and stops its workers itself.
process.on('SIGINT', () => undefined);
if (process.argv[2] === 'srt') startSrt();
else startConversions();

function startSrt(): void {
  const worker = new SrtWorker(socket);
  socket.on('close', () => {
    // A call that blocks a thread for good would keep this process.
    setTimeout(() => process.kill(process.pid, 'SIGKILL'), PATIENCE_MS);
    void worker.close().then(() => process.exit());
  });
  worker.start();
}

function startConversions(): void {
  const marked = Buffer.alloc(4);
  const worker = new Worker({
    socket,
    openSession: (message, output) => {
      if ('picture' in message) return new PictureTaker(message, output);
      return 'feed' in message ? new PictureFeed(message, output) : new AudioBridge(message, output);
    },
    mark: (stream) => {
      marked.writeUInt32LE(stream);
      writeSync(BLACK_BOX_FD, marked, 0, 4, 0);
    },
  });
  // Whatever ends the connection ends this process: nobody is left to convert for.
  socket.on('close', () => process.exit());
  worker.start();
}

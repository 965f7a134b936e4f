import { once } from 'node:events';
import { type ClientRequest, type IncomingMessage, request } from 'node:http';
import { connect } from 'node:net';
import { FlvDemuxer, type FlvTag } from '@sluice/media';
import { type ClientOptions, WebSocket } from 'ws';

/** Reads an FLV stream as it comes, by whatever way. */
export class FlvViewer {
  readonly tags: FlvTag[] = [];
  /** Bytes and number of the pieces that came. */
  bytes = 0;
  readonly #demuxer = new FlvDemuxer();

  get header(): { video: boolean | undefined; audio: boolean | undefined } {
    return { video: this.#demuxer.hasVideo, audio: this.#demuxer.hasAudio };
  }

  take(bytes: Uint8Array): void {
    this.bytes += bytes.length;
    this.tags.push(...this.#demuxer.push(bytes));
  }

  /** Tags in short: `v` a picture, `V` a key frame, `a` sound, in capitals with `c` their configuration, `m` metadata. */
  get summary(): string {
    return this.tags.map((tag) => `${letter(tag)}${tag.timestampMs}`).join(' ');
  }
}

function letter({ type, data }: FlvTag): string {
  if (type === 18) return 'm';
  if (type === 8) return data[1] === 0 ? 'ac' : 'a';
  if (data[1] === 0) return 'vc';
  return (data[0] ?? 0) >> 4 === 1 ? 'V' : 'v';
}

/** A viewer by HTTP. */
export class HttpViewer extends FlvViewer {
  readonly request: ClientRequest;
  readonly response: IncomingMessage;
  /** Resolves when the answer ended as it should, with false when it was cut off. */
  readonly ended: Promise<boolean>;

  private constructor(outgoing: ClientRequest, response: IncomingMessage) {
    super();
    this.request = outgoing;
    this.response = response;
    response.on('data', (bytes: Buffer) => this.take(bytes));
    response.on('error', () => {});
    this.ended = new Promise((resolve) => response.once('close', () => resolve(response.complete)));
  }

  static async open(port: number, path: string): Promise<HttpViewer> {
    const outgoing = request({ port, host: '127.0.0.1', path, agent: false });
    outgoing.on('error', () => {});
    outgoing.end();
    const [response] = (await once(outgoing, 'response')) as [IncomingMessage];
    return new HttpViewer(outgoing, response);
  }

  close(): void {
    this.request.destroy();
  }
}

/** A viewer by WebSocket. */
export class WebSocketViewer extends FlvViewer {
  readonly webSocket: WebSocket;
  /** Messages that came. */
  messages = 0;
  /** Code and reason of the close, once it has come. */
  readonly closed: Promise<{ code: number; reason: string }>;

  private constructor(webSocket: WebSocket) {
    super();
    this.webSocket = webSocket;
    webSocket.on('error', () => {});
    webSocket.on('message', (bytes: Buffer, isBinary) => {
      if (!isBinary) throw new Error('text came');
      this.messages++;
      this.take(bytes);
    });
    this.closed = new Promise((resolve) => {
      webSocket.once('close', (code, reason) => resolve({ code, reason: reason.toString() }));
    });
  }

  /** Fails with the status of the answer when there is no upgrade. */
  static async open(port: number, path: string, options: ClientOptions = {}): Promise<WebSocketViewer> {
    const viewer = new WebSocketViewer(new WebSocket(`ws://127.0.0.1:${port}${path}`, options));
    await new Promise<void>((resolve, reject) => {
      viewer.webSocket.once('open', resolve);
      viewer.webSocket.once('error', reject);
    });
    return viewer;
  }

  close(): void {
    this.webSocket.terminate();
  }
}

/** Sends bytes on a connection of their own and gives all that comes back until the other side ends. */
export async function exchange(port: number, bytes: string | Uint8Array): Promise<string> {
  const socket = connect({ port, host: '127.0.0.1' });
  const parts: Buffer[] = [];
  socket.on('data', (part) => parts.push(Buffer.from(part)));
  socket.on('error', () => {});
  socket.write(bytes);
  await once(socket, 'close');
  return Buffer.concat(parts).toString('latin1');
}

import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { RtspHeaders } from '../../wire/headers.ts';
import { RtspReader, type RtspResponse } from '../../wire/reader.ts';
import { writeRequest } from '../../wire/writer.ts';

/** What came between the answers. */
export interface Frame {
  readonly channel: number;
  readonly payload: Buffer;
}

/** An RTSP client that does what a test says. */
export class TestClient {
  readonly socket: Socket;
  readonly frames: Frame[] = [];
  readonly #reader = new RtspReader();
  readonly #answers: RtspResponse[] = [];
  #wake: () => void = () => {};
  #sequence = 0;
  session: string | undefined;
  closed = false;
  /** Bytes that came, of all kinds. */
  bytes = 0;

  constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', (bytes) => {
      this.bytes += bytes.length;
      this.#reader.push(bytes, (event) => {
        if (event.type === 'interleaved') {
          this.frames.push({ channel: event.channel, payload: Buffer.from(event.payload) });
        } else if (event.type === 'response') this.#answers.push(event);
      });
      this.#wake();
    });
    socket.on('error', () => {});
    socket.on('close', () => {
      this.closed = true;
      this.#wake();
    });
  }

  static async connect(port: number): Promise<TestClient> {
    const socket = connect(port, '127.0.0.1');
    await once(socket, 'connect');
    return new TestClient(socket);
  }

  /** Sends a request and waits for its answer. */
  async request(
    method: string,
    uri: string,
    fields: Readonly<Record<string, string>> = {},
    body?: string,
  ): Promise<RtspResponse> {
    this.send(method, uri, fields, body);
    return this.answer();
  }

  /** Sends a request. */
  send(method: string, uri: string, fields: Readonly<Record<string, string>> = {}, body?: string): void {
    this.#sequence += 1;
    const headers = RtspHeaders.of({ CSeq: this.#sequence, Session: this.session, ...fields });
    this.socket.write(writeRequest({ method, uri, headers, ...(body !== undefined && { body }) }));
  }

  /** The next answer. @throws Error when the connection closes before */
  async answer(): Promise<RtspResponse> {
    for (;;) {
      const answer = this.#answers.shift();
      if (answer !== undefined) {
        this.session = answer.headers.get('Session')?.split(';')[0] ?? this.session;
        return answer;
      }
      if (this.closed) throw new Error('the connection is closed');
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  /** Resolves when the server has closed the connection. */
  async gone(): Promise<void> {
    if (!this.closed) await once(this.socket, 'close');
  }

  /** Describes a stream and sets all of its tracks up over the connection; then plays. */
  async play(uri: string): Promise<RtspResponse> {
    const described = await this.request('DESCRIBE', uri);
    const count = Buffer.from(described.body).toString().split('m=').length - 1;
    for (let track = 0; track < count; track += 1) {
      const Transport = `RTP/AVP/TCP;unicast;interleaved=${track * 2}-${track * 2 + 1}`;
      await this.request('SETUP', `${uri}/trackID=${track}`, { Transport });
    }
    return this.request('PLAY', uri);
  }

  close(): void {
    this.socket.destroy();
  }
}

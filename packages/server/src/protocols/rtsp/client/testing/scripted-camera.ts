import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer, type TlsOptions } from 'node:tls';
import { RtspHeaders } from '../../wire/headers.ts';
import { RtspReader, type RtspRequest } from '../../wire/reader.ts';
import { writeInterleaved, writeRequest, writeResponse } from '../../wire/writer.ts';

/** What a script says to a request; undefined: nothing. */
export interface ScriptedAnswer {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string | undefined>>;
  readonly body?: string;
}

export type CameraScript = (request: RtspRequest, connection: CameraConnection) => ScriptedAnswer | undefined;

/** One connection to a scripted camera. */
export class CameraConnection {
  readonly requests: RtspRequest[] = [];
  /** Packets that the client sent. */
  readonly frames: { readonly channel: number; readonly payload: Uint8Array }[] = [];
  readonly socket: Socket;

  constructor(socket: Socket, script: CameraScript) {
    this.socket = socket;
    const reader = new RtspReader();
    socket.on('error', () => undefined);
    socket.on('data', (bytes) =>
      reader.push(bytes, (event) => {
        if (event.type === 'interleaved')
          this.frames.push({ channel: event.channel, payload: new Uint8Array(event.payload) });
        if (event.type !== 'request') return;
        this.requests.push(event);
        const answer = script(event, this);
        if (answer !== undefined) this.answer(event, answer);
      }),
    );
  }

  answer(request: RtspRequest, { status = 200, headers = {}, body = '' }: ScriptedAnswer): void {
    const all = RtspHeaders.of({ CSeq: request.headers.get('CSeq'), ...headers });
    this.socket.write(writeResponse({ status, headers: all, body }));
  }

  frame(channel: number, packet: Uint8Array): void {
    this.socket.write(writeInterleaved(channel, packet));
  }

  ask(method: string, headers: Readonly<Record<string, string>> = {}, body = ''): void {
    const all = RtspHeaders.of({ CSeq: 900, ...headers });
    this.socket.write(writeRequest({ method, uri: 'rtsp://camera/', headers: all, body }));
  }
}

/** An RTSP server that does what a test's script says, on a free port of this machine. */
export class ScriptedCamera {
  readonly connections: CameraConnection[] = [];
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
  }

  /** `tls`: certificate and key of one that speaks `rtsps`. */
  static async start(script: CameraScript, tls?: TlsOptions): Promise<ScriptedCamera> {
    const server = tls === undefined ? createServer() : createTlsServer(tls);
    const camera = new ScriptedCamera(server);
    server.on('tlsClientError', () => undefined);
    server.on(tls === undefined ? 'connection' : 'secureConnection', (socket: Socket) =>
      camera.connections.push(new CameraConnection(socket, script)),
    );
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return camera;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get url(): string {
    return `rtsp://127.0.0.1:${this.port}/live`;
  }

  /** Methods that came, over all connections. */
  get methods(): readonly string[] {
    return this.connections.flatMap(({ requests }) => requests.map(({ method }) => method));
  }

  request(method: string): RtspRequest | undefined {
    return this.connections.flatMap(({ requests }) => requests).find((request) => request.method === method);
  }

  async close(): Promise<void> {
    for (const { socket } of this.connections) socket.destroy();
    this.#server.close();
    if (this.#server.listening) await once(this.#server, 'close');
  }
}

export const VIDEO_SDP = [
  'v=0',
  'o=- 1 1 IN IP4 127.0.0.1',
  's=camera',
  't=0 0',
  'a=control:*',
  'm=video 0 RTP/AVP 96',
  'a=rtpmap:96 H264/90000',
  'a=fmtp:96 packetization-mode=1;sprop-parameter-sets=Z0LADdoFB+wEQAAAAwBAAAA=,aM4PyA==',
  'a=control:trackID=0',
  '',
].join('\r\n');

export const AUDIO_SDP = ['m=audio 0 RTP/AVP 8', 'a=control:trackID=1', ''].join('\r\n');

/** What an ordinary camera answers; `sdp` is its description. Begin with it and change what is odd. */
export function ordinaryAnswer(request: RtspRequest, sdp = VIDEO_SDP): ScriptedAnswer {
  switch (request.method) {
    case 'OPTIONS':
      return { headers: { Public: 'OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN, GET_PARAMETER' } };
    case 'DESCRIBE':
      return { headers: { 'Content-Type': 'application/sdp' }, body: sdp };
    case 'SETUP':
      return { headers: { Session: '4711;timeout=60', Transport: request.headers.get('Transport') } };
    default:
      return { headers: { Session: '4711' } };
  }
}

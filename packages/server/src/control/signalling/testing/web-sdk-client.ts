import { once } from 'node:events';
import { RoomPush, StreamStatusObject } from '@sluice/contract';
import Value from 'typebox/value';
import { type ClientOptions, WebSocket } from 'ws';

import { RoomMirror } from './room-mirror.ts';

/** A message of the server. */
export interface ServerMessage {
  readonly message: string;
  readonly data: readonly unknown[];
}

/** Messages that wedge the Web SDK in a session that only streams (websdk-signalling.md §15). */
const HARMFUL: readonly string[] = [
  'registered',
  'notifyTransferEvent',
  'webRTCMetricsDescriptionUpdate',
  'webRTCMetricsTokenRefresh',
];
const FINAL: readonly string[] = ['UNPUBLISHED', 'STOPPED', 'FAILED'];
const WAIT_MS = 10_000;

/**
 * Speaks as the Web SDK does, and checks every message of the server for what would crash or wedge the SDK. What it
 * finds is in `offences`.
 */
export class WebSdkClient {
  readonly received: ServerMessage[] = [];
  readonly offences: string[] = [];
  /** Code and reason of the close frame, once there is one. */
  closed: { code: number; reason: string } | undefined;
  /** The socket has told of an error, after which the SDK's session is FAILED. */
  failed = false;
  /** Answers the server's pings. */
  answersPings = true;
  readonly socket: WebSocket;
  /** The rooms that the page has joined, as the SDK keeps them. */
  readonly rooms = new RoomMirror((offence) => void this.offences.push(offence));
  readonly #answered = new Set<string>();
  readonly #active = new Set<string>();
  readonly #over = new Set<string>();
  readonly #waiting = new Set<() => void>();

  private constructor(socket: WebSocket) {
    this.socket = socket;
    socket.on('message', (data: Buffer, isBinary: boolean) => this.#receive(isBinary ? undefined : data.toString()));
    socket.on('error', () => {
      this.failed = true;
    });
    socket.on('close', (code, reason) => {
      this.closed = { code, reason: reason.toString() };
      this.#wake();
    });
  }

  /** Opens the socket. @throws Error when the server refuses it */
  static async open(url: string, options: ClientOptions = {}): Promise<WebSdkClient> {
    const socket = new WebSocket(url, { headers: { origin: 'http://pages.example' }, ...options });
    const client = new WebSdkClient(socket);
    await once(socket, 'open');
    return client;
  }

  /** Opens a session; `connection` is merged into the SDK's object. Resolves with the answer to it. */
  static async establish(
    url: string,
    connection: object = {},
  ): Promise<{ client: WebSdkClient; userData: Record<string, unknown> }> {
    const client = await WebSdkClient.open(url);
    client.send('connection', {
      appKey: 'defaultApp',
      mediaProviders: ['WebRTC', 'MSE', 'WSPlayer'],
      clientVersion: '2.0',
      clientOSVersion: '5.0 (X11; Linux x86_64)',
      clientBrowserVersion: 'Mozilla/5.0',
      msePacketizationVersion: 2,
      clientInfo: {},
      ...connection,
    });
    const [userData] = (await client.next('getUserData')).data;
    return { client, userData: userData as Record<string, unknown> };
  }

  send(message: string, body: unknown = null): void {
    this.sendRaw(JSON.stringify({ message, data: [body] }));
  }

  sendRaw(frame: string | Buffer): void {
    this.socket.send(frame);
  }

  /** Sends what the SDK sends for `publish()`. */
  publish(mediaSessionId: string, name: string, fields: object = {}): void {
    const given = { mediaSessionId, name, published: true, hasVideo: true, hasAudio: true, status: 'PENDING' };
    const limits = { bitrate: 0, minBitrate: 0, maxBitrate: 0 };
    this.send('publishStream', { ...given, record: false, mediaProvider: 'WebRTC', ...limits, ...fields });
  }

  /** Sends what the SDK sends for `play()`. */
  play(mediaSessionId: string, name: string, fields: object = {}): void {
    const given = { mediaSessionId, name, published: false, hasVideo: true, hasAudio: true, status: 'PENDING' };
    const limits = { width: 0, height: 0, bitrate: 0, minBitrate: 0, maxBitrate: 0, quality: 0 };
    this.send('playStream', { ...given, record: false, mediaProvider: 'WebRTC', ...limits, ...fields });
  }

  /** The first message of that name that is as wanted, received already or to come. @throws Error after 10 s */
  async next(name: string, isWanted: (body: Record<string, unknown>) => boolean = () => true): Promise<ServerMessage> {
    const deadline = performance.now() + WAIT_MS;
    for (;;) {
      const found = this.received.find(
        ({ message, data }) => message === name && isWanted((data[0] ?? {}) as Record<string, unknown>),
      );
      if (found !== undefined) return found;
      const leftMs = deadline - performance.now();
      if (leftMs <= 0) throw new Error(`no ${name}; there came ${JSON.stringify(this.received)}`);
      await this.#change(leftMs);
    }
  }

  /** The status message of a stream. */
  async status(mediaSessionId: string, status: string): Promise<StreamStatusObject> {
    const { data } = await this.next(
      'notifyStreamStatusEvent',
      (body) => body['mediaSessionId'] === mediaSessionId && body['status'] === status,
    );
    return data[0] as StreamStatusObject;
  }

  /** Names of the messages so far that were about a stream, with the status for those that have one. */
  about(mediaSessionId: string): string[] {
    return this.received.flatMap(({ message, data }) => {
      const body = data[0] as { mediaSessionId?: string; id?: string; status?: string; type?: string } | string;
      if (body === mediaSessionId) return [message];
      if (typeof body !== 'object' || (body?.mediaSessionId ?? body?.id) !== mediaSessionId) return [];
      return [body.status ?? body.type ?? message];
    });
  }

  /** Resolves when the connection is gone. @throws Error after 10 s */
  async gone(): Promise<{ code: number; reason: string }> {
    const deadline = performance.now() + WAIT_MS;
    while (this.closed === undefined) {
      if (performance.now() > deadline) throw new Error('the connection is still there');
      await this.#change(deadline - performance.now());
    }
    return this.closed;
  }

  /** Leaves as the SDK does: without a word. */
  close(): void {
    this.socket.close();
  }

  /** Leaves as a machine does whose cable is pulled out and then in again. */
  drop(): void {
    this.socket.terminate();
  }

  #change(timeoutMs: number): Promise<void> {
    return new Promise((resolve) => {
      const wake = (): void => {
        clearTimeout(timer);
        this.#waiting.delete(wake);
        resolve();
      };
      const timer = setTimeout(wake, timeoutMs);
      this.#waiting.add(wake);
    });
  }

  #wake(): void {
    for (const wake of [...this.#waiting]) wake();
  }

  #receive(text: string | undefined): void {
    const message = this.#parse(text);
    if (message === undefined) return;
    this.received.push(message);
    this.#check(message);
    if (message.message === 'ping' && this.answersPings) this.send('pong');
    this.#wake();
  }

  #parse(text: string | undefined): ServerMessage | undefined {
    const value: unknown = text === undefined ? undefined : JSON.parse(text);
    const { message, data } = (value ?? {}) as Partial<ServerMessage>;
    if (typeof message === 'string' && Array.isArray(data)) return { message, data };
    this.offences.push(`not a message with data: ${text}`);
    return undefined;
  }

  #check({ message, data }: ServerMessage): void {
    const body = (data[0] ?? {}) as Record<string, unknown>;
    const id = (typeof data[0] === 'string' ? data[0] : body['mediaSessionId']) as string;
    const offends = (what: string): void => void this.offences.push(`${what}: ${message} ${JSON.stringify(data)}`);
    if (HARMFUL.includes(message)) offends('harmful message');
    if (typeof id === 'string' && this.#over.has(id) && message !== 'availableStream')
      offends('after the final status');
    switch (message) {
      case 'getUserData':
        if ('webRTCMetricsServerDescription' in body || 'sipPassword' in body) offends('harmful field');
        break;
      case 'setRemoteSDP':
        if (this.#answered.has(id)) offends('second answer');
        // Of a peer with its candidates; of a player by WebSocket with what is sent (§9.1).
        if (!/a=candidate|^m=\w+ [1-9]\d* RTP\/AVP /m.test(String(data[1])) || data[2] !== true)
          offends('useless answer');
        this.#answered.add(id);
        break;
      case 'notifyStreamStatusEvent':
        this.#checkStatus(body, offends);
        break;
      case 'notifyStreamEvent':
        this.#checkEvent(body, offends);
        break;
      case 'availableStream':
        if (body['status'] !== 'true' && body['status'] !== 'false') offends('status is not a text');
        break;
      case 'OnDataEvent':
        if (Value.Check(RoomPush, body['payload'])) this.rooms.take(body['payload']);
        else if (JSON.stringify(body['payload'])?.includes('roomName')) offends('not a room push');
        break;
      case 'DataStatusEvent':
        if (body['status'] !== 'ACCEPTED' && body['status'] !== 'FAILED') offends('unknown status');
        break;
      case 'inboundVideoRate':
      case 'outboundVideoRate':
        if (!this.#active.has(id)) offends('rate of a stream that is not active');
        break;
    }
  }

  #checkStatus(body: Record<string, unknown>, offends: (what: string) => void): void {
    const id = String(body['mediaSessionId']);
    if (body['status'] === 'NOT_ENOUGH_BANDWIDTH') {
      // The SDK splits it at the slash.
      if (!/^\d+\/\d+$/.test(String(body['info']))) offends('no bitrates');
      return;
    }
    if (!Value.Check(StreamStatusObject, body)) offends('not a stream object');
    if (FINAL.includes(String(body['status']))) {
      this.#over.add(id);
      this.#active.delete(id);
      return;
    }
    if (!this.#answered.has(id)) offends('active before the answer');
    this.#active.add(id);
  }

  #checkEvent(body: Record<string, unknown>, offends: (what: string) => void): void {
    const payload = body['payload'] as Record<string, unknown> | null | undefined;
    if ('payload' in body && payload === null) offends('payload is null');
    const type = body['type'];
    if (type === 'resize' && typeof payload?.['streamerVideoWidth'] !== 'number') offends('no size');
    if (type === 'notEnoughBandwidth' && !/^\d+\/\d+$/.test(String(payload?.['info']))) offends('no bitrates');
    if (type === 'snapshotFailed' && typeof payload?.['info'] !== 'string') offends('no info');
  }
}

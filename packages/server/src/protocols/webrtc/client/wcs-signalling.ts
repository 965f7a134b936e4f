import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { isIP } from 'node:net';
import { type ClientOptions, WebSocket } from 'ws';
import type { RelayEnd, RelayEndCode } from '../../../core/index.ts';
import { RelayFailure } from './relay-failure.ts';
import { quoted, type Signalling, type SignallingOptions } from './signalling.ts';
import { codeOfStatus } from './wcs-status.ts';

export interface WcsSignallingOptions extends SignallingOptions {
  /** The stream there. */
  readonly streamName: string;
  /** Used unless the address has its own (`?appKey=`). */
  readonly appKey: string;
  readonly hasVideo: boolean;
  readonly hasAudio: boolean;
}

/** Statuses after which the other side knows nothing of the stream any more (§6.1). */
const FINAL: ReadonlySet<string> = new Set(['FAILED', 'UNPUBLISHED', 'STOPPED']);
const UPGRADE_CODES: Readonly<Record<number, RelayEndCode>> = { 401: 'refused', 403: 'refused', 404: 'not_found' };
/** What clients are told of us; servers may choose by it, so it is what the Web SDK says. */
const CLIENT_VERSION = '2.0';
const CLIENT_NAME = 'Sluice';

/**
 * The protocol of the Web SDK as its client (websdk-signalling.md): one session with one stream, published or played
 * there.
 */
export class WcsSignalling implements Signalling {
  readonly remoteMediaSessionId = randomUUID();
  readonly #options: WcsSignallingOptions;
  #remoteAddress: string | undefined;
  #socket: WebSocket | undefined;
  #offer = '';
  #established = false;
  /** The stream has been asked for, and its end has not been told. */
  #asked = false;
  #answered = false;
  #settle: { resolve(answer: string): void; reject(error: Error): void } | undefined;
  #over = false;
  #closed: Promise<void> | undefined;

  constructor(options: WcsSignallingOptions) {
    this.#options = options;
  }

  get remoteAddress(): string | undefined {
    return this.#remoteAddress;
  }

  async exchange(offer: string): Promise<string> {
    const { target, outbound } = this.#options;
    const { address, host } = await outbound.resolve(`${target.scheme}://${target.url.host}`);
    if (this.#over) throw new RelayFailure('closed', 'ended before it was connected');
    this.#remoteAddress = address;
    this.#offer = offer;
    return new Promise((resolve, reject) => {
      this.#settle = { resolve, reject };
      this.#connect(address, host);
    });
  }

  close(): Promise<void> {
    this.#closed ??= this.#end();
    return this.#closed;
  }

  #connect(address: string, host: string): void {
    const { target, timeoutMs, tlsVerify, maxAnswerBytes } = this.#options;
    // The connection goes to the address that was found good; the name is for the server and its certificate.
    const url = new URL(target.url);
    url.hostname = isIP(address) === 6 ? `[${address}]` : address;
    const options: ClientOptions & { readonly servername: string } = {
      headers: { host: target.url.host, ...authorizationHeader(target.authorization) },
      servername: isIP(host) === 0 ? host : '',
      rejectUnauthorized: tlsVerify,
      handshakeTimeout: timeoutMs,
      maxPayload: maxAnswerBytes,
      perMessageDeflate: false,
      followRedirects: false,
    };
    const socket = new WebSocket(url, options);
    this.#socket = socket;
    socket.on('open', () => this.#introduce());
    socket.on('message', (data: Buffer, isBinary: boolean) => {
      if (!isBinary) this.#onText(data.toString('utf8'));
    });
    socket.on('unexpected-response', (request, response: IncomingMessage) => {
      const { statusCode = 0 } = response;
      request.destroy();
      this.#fail(UPGRADE_CODES[statusCode] ?? 'unreachable', `the server answers ${statusCode} instead of a WebSocket`);
    });
    socket.on('error', (error: NodeJS.ErrnoException) => {
      // Errors of the system and of TLS have codes of their own; those of what came have WS_ERR_….
      const code = error.code?.startsWith('WS_ERR_') === true ? 'invalid' : 'unreachable';
      const isTls = /^(ERR_SSL|EPROTO)/.test(error.code ?? '');
      const tls = `the server does not speak TLS as it should (${error.code})`;
      this.#fail(code, isTls ? tls : `the WebSocket failed: ${quoted(error.message)}`);
    });
    socket.on('close', () => this.#onClose());
  }

  #onClose(): void {
    if (this.#established) return this.#fail('unreachable', 'the server has closed the WebSocket');
    // A server that refuses a session can tell it in no other way (§2.1).
    this.#fail('refused', 'the server has closed the WebSocket at once: it refuses the session (appKey, token)');
  }

  #introduce(): void {
    const custom = this.#custom();
    this.#send('connection', {
      appKey: this.#options.target.url.searchParams.get('appKey') ?? this.#options.appKey,
      mediaProviders: ['WebRTC'],
      clientVersion: CLIENT_VERSION,
      clientOSVersion: CLIENT_NAME,
      clientBrowserVersion: CLIENT_NAME,
      msePacketizationVersion: 2,
      ...(custom === undefined ? {} : { custom }),
      clientInfo: {},
    });
  }

  /** Parameters of the address are for the back end there: a token, say. */
  #custom(): Record<string, string> | undefined {
    const entries = [...this.#options.target.url.searchParams].filter(([name]) => name !== 'appKey');
    return entries.length === 0 ? undefined : Object.fromEntries(entries);
  }

  #onText(text: string): void {
    let message: { readonly message?: unknown; readonly data?: unknown } | null;
    try {
      message = JSON.parse(text) as typeof message;
    } catch {
      return this.#fail('invalid', 'the server sends what is not JSON');
    }
    const data: readonly unknown[] = Array.isArray(message?.data) ? message.data : [];
    switch (message?.message) {
      case 'ping':
        return this.#send('pong', null);
      case 'getUserData':
        return this.#ask();
      case 'setRemoteSDP':
        return this.#onAnswer(data);
      case 'notifyStreamStatusEvent':
        return this.#onStatus(data[0], 'mediaSessionId');
      case 'fail':
        return this.#onFail(data[0]);
      default:
      // Rates, sizes and words of the publisher are nothing to us.
    }
  }

  #ask(): void {
    if (this.#established) return;
    this.#established = true;
    this.#asked = true;
    const published = this.#options.direction === 'push';
    this.#send(published ? 'publishStream' : 'playStream', {
      ...this.#stream('PENDING'),
      mediaProvider: 'WebRTC',
      sdp: this.#offer,
      ...(published ? {} : { width: 0, height: 0, quality: 0 }),
      bitrate: 0,
      minBitrate: 0,
      maxBitrate: 0,
      cvoExtension: true,
      ...(this.#custom() === undefined ? {} : { custom: this.#custom() }),
    });
  }

  #stream(status: string) {
    const { streamName, direction, hasVideo, hasAudio } = this.#options;
    const mediaSessionId = this.remoteMediaSessionId;
    return {
      mediaSessionId,
      name: streamName,
      published: direction === 'push',
      hasVideo,
      hasAudio,
      status,
      record: false,
    };
  }

  #onAnswer([id, answer]: readonly unknown[]): void {
    if (id !== this.remoteMediaSessionId || typeof answer !== 'string') return;
    this.#answered = true;
    this.#settle?.resolve(answer);
  }

  #onFail(told: unknown): void {
    if (fieldOf(told, 'apiMethod') !== 'ConnectionStatusEvent') return this.#onStatus(told, 'id');
    this.#fail('refused', `the server refuses the session: ${textOf(told, 'info')}`);
  }

  #onStatus(told: unknown, idName: 'mediaSessionId' | 'id'): void {
    if (fieldOf(told, idName) !== this.remoteMediaSessionId) return;
    const status = textOf(told, 'status');
    if (!FINAL.has(status)) return;
    this.#asked = false;
    const info = textOf(told, 'info');
    const code = codeOfStatus({ status, info, answered: this.#answered });
    this.#fail(code, `the server says ${status}${info === '' ? '' : `: ${info}`}`);
  }

  #send(message: string, data: unknown): void {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify({ message, data: [data] }));
  }

  #fail(code: RelayEndCode, message: string): void {
    if (this.#over) return;
    this.#over = true;
    const end: RelayEnd = { code, message };
    this.#settle?.reject(new RelayFailure(code, message));
    this.#options.onEnded(end);
  }

  /** Says goodbye to the stream and waits for the socket's end, but not for long. */
  async #end(): Promise<void> {
    this.#over = true;
    this.#settle?.reject(new RelayFailure('closed', 'ended before it was answered'));
    const socket = this.#socket;
    if (socket === undefined || socket.readyState === WebSocket.CLOSED) return;
    if (this.#asked) {
      const published = this.#options.direction === 'push';
      this.#send(published ? 'unPublishStream' : 'stopStream', this.#stream(published ? 'PUBLISHING' : 'PLAYING'));
    }
    await new Promise<void>((resolve) => {
      const timer = setTimeout(() => socket.terminate(), this.#options.closeTimeoutMs);
      socket.once('close', () => {
        clearTimeout(timer);
        resolve();
      });
      socket.close();
    });
  }
}

function authorizationHeader(authorization: string | undefined): Record<string, string> {
  return authorization === undefined ? {} : { authorization };
}

function fieldOf(told: unknown, name: string): unknown {
  return typeof told === 'object' && told !== null ? (told as Readonly<Record<string, unknown>>)[name] : undefined;
}

function textOf(told: unknown, name: string): string {
  const value = fieldOf(told, name);
  return typeof value === 'string' ? quoted(value) : '';
}

import { randomUUID } from 'node:crypto';
import { WebSocket } from 'ws';
import type { Signalling, SignallingOptions } from './signalling.ts';

/** What the Web SDK says of itself. */
const CLIENT = { clientVersion: '2.0', clientOSVersion: 'sluice-load', clientBrowserVersion: 'sluice-load' } as const;
/** Statuses after which the server knows nothing of the stream any more. */
const FINAL: ReadonlySet<string> = new Set(['FAILED', 'UNPUBLISHED', 'STOPPED']);
const CLOSE_TIMEOUT_MS = 1000;

interface Message {
  readonly message?: unknown;
  readonly data?: unknown;
}

/**
 * The protocol of the Web SDK: one session that plays one stream. The stream is named after the address:
 * `ws://host:8080/name`; other parts of a path go to the server.
 */
export class WebSdkSignalling implements Signalling {
  readonly #url: URL;
  readonly #streamName: string;
  readonly #options: SignallingOptions;
  readonly #id = randomUUID();
  #socket: WebSocket | undefined;
  #offer = '';
  #settle: { resolve(answer: string): void; reject(error: Error): void } | undefined;
  #over = false;

  constructor(url: string, options: SignallingOptions) {
    this.#url = new URL(url);
    const names = this.#url.pathname.split('/');
    this.#streamName = decodeURIComponent(names.pop() ?? '');
    this.#url.pathname = names.join('/');
    this.#options = options;
  }

  exchange(offer: string): Promise<string> {
    this.#offer = offer;
    const { insecure, timeoutMs } = this.#options;
    const socket = new WebSocket(this.#url, {
      handshakeTimeout: timeoutMs,
      perMessageDeflate: false,
      rejectUnauthorized: !insecure,
    });
    this.#socket = socket;
    const answer = new Promise<string>((resolve, reject) => {
      this.#settle = { resolve, reject };
    });
    socket.on('open', () => this.#introduce());
    socket.on('message', (data: Buffer, isBinary: boolean) => {
      if (!isBinary) this.#onText(data.toString('utf8'));
    });
    socket.on('error', (error) => this.#lose(`the WebSocket failed: ${error.message}`));
    socket.on('close', () => this.#lose('the server closed the WebSocket'));
    return answer;
  }

  close(): Promise<void> {
    this.#over = true;
    const socket = this.#socket;
    if (socket === undefined || socket.readyState === WebSocket.CLOSED) return Promise.resolve();
    if (socket.readyState === WebSocket.OPEN) this.#send('stopStream', this.#stream('PLAYING'));
    return new Promise((resolve) => {
      const timer = setTimeout(() => socket.terminate(), CLOSE_TIMEOUT_MS);
      socket.once('close', () => {
        clearTimeout(timer);
        resolve();
      });
      socket.close();
    });
  }

  #introduce(): void {
    this.#send('connection', {
      appKey: this.#url.searchParams.get('appKey') ?? 'defaultApp',
      mediaProviders: ['WebRTC'],
      ...CLIENT,
      msePacketizationVersion: 2,
      clientInfo: {},
    });
  }

  #onText(text: string): void {
    let message: Message;
    try {
      message = JSON.parse(text) as Message;
    } catch {
      return this.#lose('the server sends what is not JSON');
    }
    const data: readonly unknown[] = Array.isArray(message.data) ? message.data : [];
    switch (message.message) {
      case 'ping':
        return this.#send('pong', null);
      case 'getUserData':
        return this.#play();
      case 'setRemoteSDP':
        if (data[0] === this.#id && typeof data[1] === 'string') this.#settle?.resolve(data[1]);
        return;
      case 'notifyStreamStatusEvent':
        return this.#onStatus(data[0]);
      case 'fail':
        return this.#onStatus({ ...fieldsOf(data[0]), mediaSessionId: fieldsOf(data[0])['id'], status: 'FAILED' });
      default:
      // Rates and sizes are nothing to us.
    }
  }

  #play(): void {
    this.#send('playStream', {
      ...this.#stream('PENDING'),
      mediaProvider: 'WebRTC',
      sdp: this.#offer,
      width: 0,
      height: 0,
      quality: 0,
      bitrate: 0,
      minBitrate: 0,
      maxBitrate: 0,
      cvoExtension: true,
    });
  }

  #stream(status: string) {
    const mediaSessionId = this.#id;
    const tracks = { hasVideo: true, hasAudio: true };
    return { mediaSessionId, name: this.#streamName, published: false, ...tracks, status, record: false };
  }

  #onStatus(told: unknown): void {
    const { mediaSessionId, status, info } = fieldsOf(told);
    if (mediaSessionId !== this.#id && mediaSessionId !== undefined) return;
    if (typeof status === 'string' && FINAL.has(status))
      this.#lose(`the server says ${status}: ${typeof info === 'string' ? info : ''}`);
  }

  #send(message: string, data: unknown): void {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify({ message, data: [data] }));
  }

  #lose(reason: string): void {
    if (this.#over) return;
    this.#over = true;
    this.#settle?.reject(new Error(reason));
    this.#options.onEnded(reason);
    this.#socket?.terminate();
  }
}

function fieldsOf(told: unknown): Readonly<Record<string, unknown>> {
  return typeof told === 'object' && told !== null ? (told as Readonly<Record<string, unknown>>) : {};
}

import type {
  MediaServerError,
  MediaSocket,
  MediaSocketGateway,
  MediaSocketRequest,
  MediaSocketSession,
  SocketProvider,
} from '../../../core/index.ts';
import { binaryFrame } from '../../../io/index.ts';

/** Of a player that gets a picture and nothing else. */
export const SOCKET_ANSWER = 'v=0\r\nm=video 1 RTP/AVP 112\r\na=sendonly\r\n';

/** Players by WebSocket without media: each sends its own id as the one message when its socket is there. */
export class MemorySockets implements MediaSocketGateway {
  readonly requests: MediaSocketRequest[] = [];
  /** By media session id, those that are not over. */
  readonly players = new Map<string, MemorySocketPlayer>();
  readonly #providers: readonly SocketProvider[];
  error: MediaServerError | undefined;

  constructor(providers: readonly SocketProvider[] = ['MSE', 'WSPlayer']) {
    this.#providers = providers;
  }

  offers(provider: SocketProvider): boolean {
    return this.#providers.includes(provider);
  }

  async play(request: MediaSocketRequest): Promise<MediaSocketSession> {
    this.requests.push(request);
    if (this.error !== undefined) throw this.error;
    const player = new MemorySocketPlayer(request, () => this.players.delete(request.mediaSessionId));
    this.players.set(request.mediaSessionId, player);
    return player;
  }
}

/** One player of a MemorySockets. */
export class MemorySocketPlayer implements MediaSocketSession {
  readonly mediaSessionId: string;
  readonly answer = SOCKET_ANSWER;
  readonly videoCodec = 'H264';
  readonly audioCodec = 'mpeg4-generic';
  readonly request: MediaSocketRequest;
  readonly #onOver: () => void;
  #over = false;

  constructor(request: MediaSocketRequest, onOver: () => void) {
    this.mediaSessionId = request.mediaSessionId;
    this.request = request;
    this.#onOver = onOver;
  }

  attach(socket: MediaSocket): void {
    socket.onGone(() => this.end());
    this.request.events.onResize?.(640, 360);
    this.request.events.onActive();
    socket.write(binaryFrame(Buffer.from(this.mediaSessionId)));
  }

  stats() {
    return { videoBitrateBps: 1, audioBitrateBps: 1, rttMs: undefined, packetsLost: 0, packets: 0, bytes: 0 };
  }

  end(): void {
    if (this.#over) return;
    this.close();
    this.request.events.onEnded('peer_closed', '');
  }

  close(): void {
    if (this.#over) return;
    this.#over = true;
    this.#onOver();
  }
}

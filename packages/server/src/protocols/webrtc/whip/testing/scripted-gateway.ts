import type {
  IceCredentials,
  PeerEndReason,
  PeerGateway,
  PeerRequest,
  PeerSession,
  PeerStats,
} from '../../../../core/index.ts';
import { MediaServerError } from '../../../../core/index.ts';

const NO_STATS: PeerStats = {
  videoBitrateBps: 0,
  audioBitrateBps: 0,
  rttMs: undefined,
  packetsLost: 0,
  packets: 0,
  bytes: 0,
};

/** A peer that exists in memory only: a test ends it, and sees what was asked of it. */
export class ScriptedPeer implements PeerSession {
  readonly mediaSessionId: string;
  readonly answer: string;
  readonly videoCodec = 'H264';
  readonly audioCodec = 'opus';
  readonly request: PeerRequest;
  readonly restarts: IceCredentials[] = [];
  isClosed = false;
  readonly #onOver: () => void;

  constructor(request: PeerRequest, answer: string, onOver: () => void) {
    this.request = request;
    this.mediaSessionId = request.mediaSessionId;
    this.answer = answer;
    this.#onOver = onOver;
  }

  stats(): PeerStats {
    return NO_STATS;
  }

  restartIce(remote: IceCredentials): IceCredentials {
    this.restarts.push(remote);
    return { ufrag: `server${this.restarts.length}`, pwd: 'anotherPasswordOfTheServer' };
  }

  close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.#onOver();
  }

  /** Ends by itself, as when the client is gone. */
  end(reason: PeerEndReason, detail: string): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.#onOver();
    this.request.events.onEnded(reason, detail);
  }
}

/**
 * A gateway in memory: names of published streams are taken once, names that are not published can't be played, as in
 * the real one. Offers are not looked into; a test says with `fails` what the next one meets, or holds it with `hold`.
 */
export class ScriptedGateway implements PeerGateway {
  readonly peers: ScriptedPeer[] = [];
  readonly requests: PeerRequest[] = [];
  readonly published = new Map<string, ScriptedPeer>();
  /** Thrown by the next call. */
  fails: unknown;
  /** While set, calls wait for it. */
  hold: Promise<void> | undefined;
  answer: string;

  constructor(answer: string) {
    this.answer = answer;
  }

  /** Peers that have not ended. */
  get running(): readonly ScriptedPeer[] {
    return this.peers.filter(({ isClosed }) => !isClosed);
  }

  async publish(request: PeerRequest): Promise<PeerSession> {
    await this.#begin(request);
    const { streamName } = request;
    if (this.published.has(streamName))
      throw new MediaServerError('STREAM_NAME_BUSY', `stream "${streamName}" is already being published`);
    const peer = this.#add(request, () => this.published.delete(streamName));
    this.published.set(streamName, peer);
    return peer;
  }

  async play(request: PeerRequest): Promise<PeerSession> {
    await this.#begin(request);
    if (!this.published.has(request.streamName))
      throw new MediaServerError('STREAM_NOT_FOUND', `there is no stream "${request.streamName}"`);
    return this.#add(request, () => {});
  }

  async #begin(request: PeerRequest): Promise<void> {
    this.requests.push(request);
    await this.hold;
    const { fails } = this;
    this.fails = undefined;
    if (fails !== undefined) throw fails;
    request.signal?.throwIfAborted();
  }

  #add(request: PeerRequest, onOver: () => void): ScriptedPeer {
    const peer = new ScriptedPeer(request, this.answer, onOver);
    this.peers.push(peer);
    return peer;
  }
}

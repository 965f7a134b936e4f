import { RateLimiter } from '../../../../io/index.ts';
import { type Endpoint, isIntegrityRight, localUfragOf, type StunMessage, StunWriter } from '../stun/index.ts';
import type { IceCredentials } from './credentials.ts';
import { RecentTransactions } from './recent-transactions.ts';

/** Browsers pace their checks at 50 ms (RFC 8445 §14.2), on all paths together; some of them repeat lost ones. */
const MAX_CHECKS_PER_SECOND = 100;

/** `udp`; `tcp`: frames of RFC 4571 on a connection; `relay`: an allocation of this server's own TURN server. */
export type PathVia = 'udp' | 'tcp' | 'relay';

/** A way to a peer: its address and port as they are seen here. One object each while the agent knows it. */
export interface IcePath extends Endpoint {
  readonly via: PathVia;
  /**
   * Sends one datagram; never throws. True when its memory may be used again at once, false when it is still being
   * sent and must be left alone.
   */
  send(datagram: Buffer): boolean;
  /** For people: what waits for the network in this process, bytes, and datagrams that were left out. */
  readonly queuedBytes?: number | undefined;
  readonly dropped?: number | undefined;
}

export interface IceLiteAgentOptions<Path extends IcePath> {
  readonly local: IceCredentials;
  readonly remote: IceCredentials;
  /** A path without authentic check for so long may not be sent to any more (RFC 7675 §5.1). */
  readonly consentTimeoutMs: number;
  /** So many paths are known at a time; the one that was silent longest goes for a new one. At least 2. */
  readonly maxPaths: number;
  /** A check proved that the peer is there. Before its answer is sent. */
  onPathAdded(path: Path): void;
  /** The path was silent for too long, or gave way to another. */
  onPathRemoved(path: Path): void;
  /** Where to send from now on; undefined when no path has consent. */
  onPathChanged(path: Path | undefined): void;
  /** Nobody may use these local credentials any more. */
  onCredentialsRetired(local: IceCredentials): void;
}

/** By which path a datagram came, and when. */
export interface IceArrival<Path extends IcePath> {
  readonly path: Path;
  readonly nowMs: number;
}

/** Checks that were not answered with success, by reason. */
export interface IceCounters {
  /** MESSAGE-INTEGRITY missing, or made with another password: not answered at all. */
  unauthentic: number;
  /** Came again from another address than before: not answered. */
  replayed: number;
  /** Answered with 420 or 487. */
  refused: number;
  /** More in a second than any browser sends: not answered. */
  tooMany: number;
}

interface Pair {
  readonly local: IceCredentials;
  readonly remote: IceCredentials;
}

interface KnownPath<Path> {
  readonly path: Path;
  lastCheckMs: number;
  /** Authentic checks that came by it. */
  checks: number;
  /** The peer itself has chosen it. */
  nominated: boolean;
}

/** Where checks came from that were not authentic: for people alone, nothing is sent there. */
export interface RejectedPath {
  readonly path: Pick<IcePath, 'via' | 'address' | 'port'>;
  checks: number;
}

/**
 * Clients check the path that they use every 2.5 s (Chromium) or 4 to 6 s (RFC 7675), and not all of them nominate anew
 * when it is their NAT that moves them, not they themselves.
 */
const SILENCE_MS = 4000;

/** Paths that are gone and that are still told of. */
const MAX_GONE = 4;
const MAX_REJECTED = 8;

/**
 * The ICE side of one peer as a lite agent (RFC 8445 §2.5): always controlled, answers checks and sends none. It does
 * no I/O.
 *
 * Which path: the first that an authentic check came by, until the peer nominates one; then the one that was last
 * nominated (USE-CANDIDATE), so that a peer may move in mid-call. One that moves without nominating is followed once its
 * former path is silent. A source address that no candidate named is learnt
 * from its check (peer-reflexive, RFC 8445 §7.3.1.3).
 *
 * What somebody on the way can do who hears checks: repeat one from his own address. The newest 256 transactions are
 * therefore known with their path, and one that comes from elsewhere is not answered. An older one could still move the
 * path; the peer's next check moves it back, and media is encrypted anyway. A peer that knows the password can name
 * any address as its own by forging source addresses, as with every lite agent; media to such a path ends with its
 * consent.
 */
export class IceLiteAgent<Path extends IcePath> {
  readonly counters: IceCounters = { unauthentic: 0, replayed: 0, refused: 0, tooMany: 0 };
  readonly #options: IceLiteAgentOptions<Path>;
  readonly #checks = new RateLimiter(MAX_CHECKS_PER_SECOND);
  readonly #transactions = new RecentTransactions();
  #active: Pair;
  /** Credentials of a restart that the peer has not gone over to yet (RFC 8445 §9). */
  #next: Pair | undefined;
  #paths: readonly KnownPath<Path>[] = [];
  #selected: Path | undefined;
  #nominated = false;
  #firstCheckMs: number | undefined;
  #lastCheckMs: number | undefined;
  #restarts = 0;
  #closed = false;
  /** The last paths that were removed, for people who ask why. */
  #gone: readonly KnownPath<Path>[] = [];
  #rejected: readonly RejectedPath[] = [];

  constructor(options: IceLiteAgentOptions<Path>) {
    this.#options = options;
    this.#active = { local: options.local, remote: options.remote };
  }

  /** The newest credentials of this side: those for the next answer. */
  get local(): IceCredentials {
    return (this.#next ?? this.#active).local;
  }

  /** The newest credentials of the peer. */
  get remote(): IceCredentials {
    return (this.#next ?? this.#active).remote;
  }

  /** Where to send; undefined before the first check and without consent. */
  get selected(): Path | undefined {
    return this.#selected;
  }

  /** True once the peer has chosen a path by itself. */
  get nominated(): boolean {
    return this.#nominated;
  }

  /** Time of the last authentic check, by any path; undefined before the first. */
  get lastCheckMs(): number | undefined {
    return this.#lastCheckMs;
  }

  /** Facts of this moment, for people: paths that are gone come last. Times are those of `IceArrival`. */
  get facts() {
    const told = ({ path, checks, lastCheckMs, nominated }: KnownPath<Path>, gone: boolean) => {
      const { address, port, via, queuedBytes, dropped } = path;
      return {
        address,
        port,
        via,
        queuedBytes,
        dropped,
        checks,
        lastCheckMs,
        nominated,
        gone,
        selected: path === this.#selected,
      };
    };
    return {
      paths: [...this.#paths.map((known) => told(known, false)), ...this.#gone.map((known) => told(known, true))],
      /** The first few that checks with another password came by. */
      rejected: this.#rejected,
      firstCheckMs: this.#firstCheckMs,
      lastCheckMs: this.#lastCheckMs,
      restarts: this.#restarts,
      ...this.counters,
    };
  }

  get paths(): readonly Path[] {
    return this.#paths.map((known) => known.path);
  }

  /** Time of the last authentic check by that path; undefined for a path that is not known. */
  lastCheckOn(path: Path): number | undefined {
    return this.#find(path)?.lastCheckMs;
  }

  /**
   * Takes a Binding message that came by `path` and gives the answer to send back there, or undefined for silence.
   * @param datagram what `message` was read from
   */
  receive(message: StunMessage, datagram: Buffer, arrival: IceArrival<Path>): Buffer | undefined {
    if (message.class !== 'request') return undefined;
    const pair = this.#pairOf(localUfragOf(message));
    if (pair === undefined || !isIntegrityRight(datagram, message, pair.local.pwd)) {
      this.counters.unauthentic++;
      this.#noteRejected(arrival.path);
      return undefined;
    }
    if (this.#checks.take(arrival.nowMs) < 0) {
      this.counters.tooMany++;
      return undefined;
    }
    if (!this.#transactions.add(message.transactionId, arrival.path)) {
      this.counters.replayed++;
      return undefined;
    }
    const refusal = refusalOf(message);
    if (refusal !== undefined) {
      this.counters.refused++;
      return refusal.finish(pair.local.pwd);
    }
    this.#touch(arrival.path, arrival.nowMs);
    if (message.useCandidate) this.#nominate(arrival.path, pair);
    else if (this.#isSilent(arrival)) this.#select(arrival.path);
    return new StunWriter('success', message.transactionId).xorMappedAddress(arrival.path).finish(pair.local.pwd);
  }

  /**
   * Begins an ICE restart. Paths and the old credentials stay good until the peer nominates a path with the new ones;
   * those of an earlier restart that it never went over to end at once.
   */
  restart(local: IceCredentials, remote: IceCredentials): void {
    const abandoned = this.#next;
    this.#restarts++;
    this.#next = { local, remote };
    if (abandoned !== undefined) this.#options.onCredentialsRetired(abandoned.local);
  }

  /**
   * Forgets paths that were silent for too long. When the selected one is among them, the one that was heard last takes
   * its place. To be called every now and then. Gives false before the first check, and when none came for so long: a
   * peer whose connection broke has that time to come back by another way.
   */
  tick(nowMs: number): boolean {
    const oldestMs = nowMs - this.#options.consentTimeoutMs;
    if (!this.#hasSilentPath(oldestMs)) return this.#isAlive(oldestMs);
    const silent = this.#paths.filter((known) => known.lastCheckMs < oldestMs);
    // The selected one last, so that its place is not taken by one that is about to go.
    for (const { path } of silent) if (path !== this.#selected) this.#remove(path);
    for (const { path } of silent) if (path === this.#selected) this.#remove(path);
    return this.#isAlive(oldestMs);
  }

  /** Drops a path, as when its address turns out to be another peer's by now. */
  forget(path: Path): void {
    if (this.#find(path) !== undefined) this.#remove(path);
  }

  /** Gives up all paths and credentials, without `onPathChanged`. The agent is of no use then. */
  close(): void {
    this.#closed = true;
    const paths = this.#paths;
    this.#paths = [];
    this.#selected = undefined;
    for (const { path } of paths) this.#options.onPathRemoved(path);
    for (const pair of [this.#active, this.#next])
      if (pair !== undefined) this.#options.onCredentialsRetired(pair.local);
  }

  /** True when the path that is used has gone quiet while this other one is heard: its peer is behind a NAT that changed. */
  #isSilent({ path, nowMs }: IceArrival<Path>): boolean {
    const selected = this.#selected;
    if (selected === undefined) return true;
    const heardMs = selected === path ? nowMs : this.lastCheckOn(selected);
    return heardMs !== undefined && nowMs - heardMs > SILENCE_MS;
  }

  #isAlive(oldestMs: number): boolean {
    if (this.#closed) return false;
    return this.#selected !== undefined || (this.#lastCheckMs !== undefined && this.#lastCheckMs >= oldestMs);
  }

  #pairOf(ufrag: string | undefined): Pair | undefined {
    if (ufrag === this.#active.local.ufrag) return this.#active;
    return ufrag === this.#next?.local.ufrag ? this.#next : undefined;
  }

  /** Called often and for every peer, so without closures. */
  #hasSilentPath(oldestMs: number): boolean {
    for (const known of this.#paths) if (known.lastCheckMs < oldestMs) return true;
    return false;
  }

  #find(path: Path): KnownPath<Path> | undefined {
    return this.#paths.find((known) => known.path === path);
  }

  #noteRejected({ via, address, port }: Path): void {
    for (const known of this.#rejected) {
      const { path } = known;
      if (path.port !== port || path.address !== address || path.via !== via) continue;
      known.checks++;
      return;
    }
    if (this.#rejected.length >= MAX_REJECTED) return;
    this.#rejected = [...this.#rejected, { path: { via, address, port }, checks: 1 }];
  }

  #touch(path: Path, nowMs: number): void {
    this.#lastCheckMs = nowMs;
    this.#firstCheckMs ??= nowMs;
    const known = this.#find(path);
    if (known !== undefined) {
      known.lastCheckMs = nowMs;
      known.checks++;
      return;
    }
    if (this.#paths.length >= this.#options.maxPaths) this.#evict();
    this.#paths = [...this.#paths, { path, lastCheckMs: nowMs, checks: 1, nominated: false }];
    this.#options.onPathAdded(path);
  }

  #evict(): void {
    const others = this.#paths.filter((known) => known.path !== this.#selected);
    const oldest = others.reduce((a, b) => (b.lastCheckMs < a.lastCheckMs ? b : a));
    this.#remove(oldest.path);
  }

  #remove(path: Path): void {
    const known = this.#find(path);
    if (known !== undefined) this.#gone = [...this.#gone, known].slice(-MAX_GONE);
    this.#paths = this.#paths.filter((known) => known.path !== path);
    this.#options.onPathRemoved(path);
    if (path !== this.#selected) return;
    const [first, ...rest] = this.#paths;
    this.#select(first && rest.reduce((a, b) => (b.lastCheckMs > a.lastCheckMs ? b : a), first).path);
  }

  #nominate(path: Path, pair: Pair): void {
    if (pair === this.#next) {
      const retired = this.#active;
      this.#active = pair;
      this.#next = undefined;
      this.#options.onCredentialsRetired(retired.local);
    }
    this.#nominated = true;
    const known = this.#find(path);
    if (known !== undefined) known.nominated = true;
    if (path !== this.#selected) this.#select(path);
  }

  #select(path: Path | undefined): void {
    this.#selected = path;
    this.#options.onPathChanged(path);
  }
}

/** The error that an authentic request gets, without its end; undefined when all is well. */
function refusalOf(message: StunMessage): StunWriter | undefined {
  const error = new StunWriter('error', message.transactionId);
  if (message.unknownAttributes.length > 0) {
    return error.errorCode(420, 'Unknown Attribute').unknownAttributes(message.unknownAttributes);
  }
  // A lite agent can not become the controlling one, so it is always the other side that must (RFC 8445 §7.3.1.1).
  return message.role === 'controlled' ? error.errorCode(487, 'Role Conflict') : undefined;
}

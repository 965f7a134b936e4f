import { randomBytes } from 'node:crypto';
import { RateLimiter } from '../../../../io/index.ts';
import { isIntegrityRight, localUfragOf, type StunMessage, StunWriter } from '../stun/index.ts';
import { ConnectivityChecks, type IceRole, type SentCheck } from './connectivity-checks.ts';
import type { IceCredentials } from './credentials.ts';
import type { IceArrival, IceCounters, IcePath } from './ice-lite-agent.ts';
import { RecentTransactions } from './recent-transactions.ts';

export interface IceFullAgentOptions<Path extends IcePath> {
  readonly local: IceCredentials;
  readonly remote: IceCredentials;
  /** A path on which no check was answered for so long may not be sent to any more (RFC 7675 §5.1). */
  readonly consentTimeoutMs: number;
  /** Addresses of the peer that are tried; further ones are left out. */
  readonly maxPaths: number;
  /** Where to send from now on; undefined when consent is lost. */
  onPathChanged(path: Path | undefined): void;
}

interface Pair<Path> {
  readonly path: Path;
  /** Of the remote candidate. There is one local candidate a family, so it alone decides (RFC 8445 §6.1.2.3). */
  readonly priority: number;
  state: 'waiting' | 'in-progress' | 'succeeded' | 'failed';
  sent: number;
  dueMs: number;
  /** Checks that were answered, or came from there. */
  checks: number;
  heardMs: number;
  /** The controlling peer has chosen it; it is used once our own check has succeeded. */
  wanted: boolean;
  nominated: boolean;
}

/** Ta (RFC 8445 §14.2). */
const PACE_MS = 50;
/** RTO, doubled (RFC 8445 §14.3), but only once: on a network that loses much, the whole attempt has some seconds. */
const FIRST_TIMEOUT_MS = 500;
const MAX_TIMEOUT_MS = 1000;
/** A better pair that is still being checked is waited for so long before the best that works is nominated. */
const BETTER_PAIR_WAIT_MS = 150;
/** RFC 7675 §5.1: every 5 s, each time between 80 and 120 % of it. */
const CONSENT_INTERVAL_MS = 5000;
/** As often must fit into the consent's time, for a lost one must not end it. */
const CONSENT_CHECKS = 4;
const MAX_CHECKS_PER_SECOND = 100;
const NOT_ANSWERED: IceCounters = { unauthentic: 0, replayed: 0, refused: 0, tooMany: 0 };

/**
 * The ICE side of one peer that we have made an offer to, as a full agent (RFC 8445): sends checks to the peer's
 * candidates, nominates the best pair that works, keeps its consent fresh, and answers checks of the peer. It begins as
 * the controlling side and gives way in a role conflict. It does no I/O and has no timer.
 */
export class IceFullAgent<Path extends IcePath> {
  readonly counters: IceCounters = { ...NOT_ANSWERED };
  readonly #options: IceFullAgentOptions<Path>;
  readonly #sent: ConnectivityChecks<Pair<Path>>;
  readonly #rate = new RateLimiter(MAX_CHECKS_PER_SECOND);
  readonly #transactions = new RecentTransactions();
  #role: IceRole = 'controlling';
  #tieBreaker = newTieBreaker();
  #pairs: Pair<Path>[] = [];
  #triggered: Pair<Path>[] = [];
  #selected: Pair<Path> | undefined;
  #nominee: Pair<Path> | undefined;
  #pacedMs = Number.NEGATIVE_INFINITY;
  #firstValidMs: number | undefined;
  #firstCheckMs: number | undefined;
  #lastCheckMs: number | undefined;

  constructor(options: IceFullAgentOptions<Path>) {
    this.#options = options;
    this.#sent = new ConnectivityChecks(options.local, options.remote);
  }

  get role(): IceRole {
    return this.#role;
  }

  /** Where to send; undefined before a check was answered and without consent. */
  get selected(): Path | undefined {
    return this.#selected?.path;
  }

  get nominated(): boolean {
    return this.#selected?.nominated === true;
  }

  /** Facts of this moment, for people, in the form of those of a lite agent. */
  get facts() {
    return {
      paths: this.#pairs.map((pair) => ({
        address: pair.path.address,
        port: pair.path.port,
        via: pair.path.via,
        queuedBytes: pair.path.queuedBytes,
        dropped: pair.path.dropped,
        checks: pair.checks,
        lastCheckMs: pair.heardMs,
        nominated: pair.nominated,
        gone: pair.state === 'failed',
        selected: pair === this.#selected,
      })),
      rejected: [],
      firstCheckMs: this.#firstCheckMs,
      lastCheckMs: this.#lastCheckMs,
      restarts: 0,
      ...this.counters,
    };
  }

  /** Takes a candidate of the peer, at any time; one that is known, or too many, is left out. */
  addCandidate(path: Path, priority: number): void {
    this.#add(path, priority);
  }

  /** A path is over, as a connection that was closed. */
  forget(path: Path): void {
    const pair = this.#pairs.find((known) => known.path === path);
    if (pair === undefined) return;
    pair.state = 'failed';
    if (this.#nominee === pair) this.#nominee = undefined;
    this.#triggered = this.#triggered.filter((triggered) => triggered !== pair);
    if (this.#selected === pair) this.#select(undefined);
  }

  /** Takes a Binding message that came by `path`; gives the answer to send back there, or undefined for silence. */
  receive(message: StunMessage, datagram: Buffer, arrival: IceArrival<Path>): Buffer | undefined {
    if (message.class === 'request') return this.#onCheck(message, datagram, arrival);
    if (message.class === 'success' || message.class === 'error') this.#onAnswer(message, datagram, arrival);
    return undefined;
  }

  /** True when that message proves that the peer has sent it: it may be answered, wherever it comes from. */
  isAuthentic(message: StunMessage, datagram: Buffer): boolean {
    const { local } = this.#options;
    return localUfragOf(message) === local.ufrag && isIntegrityRight(datagram, message, local.pwd);
  }

  /** Sends what is due. Call it every 20 ms or so. False when there is nowhere to send to. */
  tick(nowMs: number): boolean {
    const selected = this.#selected;
    if (selected !== undefined && nowMs - selected.heardMs > this.#options.consentTimeoutMs) {
      selected.state = 'failed';
      this.#select(undefined);
      return false;
    }
    this.#nominate(nowMs);
    if (nowMs - this.#pacedMs >= PACE_MS) {
      const due = this.#nextDue(nowMs);
      if (due !== undefined) this.#check(due, nowMs);
    }
    return this.#selected !== undefined;
  }

  #add(path: Path, priority: number): Pair<Path> | undefined {
    const known = this.#pairs.find((pair) => pair.path === path);
    if (known !== undefined) return known;
    if (this.#pairs.length >= this.#options.maxPaths) return undefined;
    const fresh = {
      state: 'waiting',
      sent: 0,
      dueMs: 0,
      checks: 0,
      heardMs: 0,
      wanted: false,
      nominated: false,
    } as const;
    const pair: Pair<Path> = { path, priority, ...fresh };
    this.#pairs = [...this.#pairs, pair].sort((a, b) => b.priority - a.priority);
    return pair;
  }

  /** RFC 8445 §6.1.4.2: triggered checks first, then new pairs, the best first, then those that wait for an answer. */
  #nextDue(nowMs: number): Pair<Path> | undefined {
    const triggered = this.#triggered.shift();
    if (triggered !== undefined) return triggered;
    const waiting = this.#nominee === undefined ? this.#pairs.find(({ state }) => state === 'waiting') : undefined;
    if (waiting !== undefined) return waiting;
    return this.#pairs.find((pair) => this.#isAwaited(pair) && nowMs >= pair.dueMs);
  }

  #isAwaited(pair: Pair<Path>): boolean {
    if (pair === this.#selected || pair === this.#nominee) return true;
    return this.#nominee === undefined && pair.state === 'in-progress';
  }

  #check(pair: Pair<Path>, nowMs: number): void {
    this.#pacedMs = nowMs;
    const nominates = this.#role === 'controlling' && pair === this.#nominee && !pair.nominated;
    if (pair.state !== 'succeeded') pair.state = 'in-progress';
    pair.dueMs = nowMs + (pair.nominated ? this.#consentIntervalMs() : timeoutMs(pair.sent));
    pair.sent++;
    pair.path.send(this.#sent.write({ pair, role: this.#role, nominates }, this.#tieBreaker));
  }

  #consentIntervalMs(): number {
    const intervalMs = Math.min(CONSENT_INTERVAL_MS, this.#options.consentTimeoutMs / CONSENT_CHECKS);
    return intervalMs * (0.8 + Math.random() * 0.4);
  }

  /** Regular nomination (RFC 8445 §8.1.1): the best pair that works, without waiting long for a better one. */
  #nominate(nowMs: number): void {
    if (this.#role !== 'controlling' || this.#nominee !== undefined || this.#firstValidMs === undefined) return;
    const best = this.#pairs.findIndex(({ state }) => state === 'succeeded');
    const pair = this.#pairs[best];
    if (pair === undefined) return;
    const mayImprove = this.#pairs.slice(0, best).some(({ state }) => state === 'waiting' || state === 'in-progress');
    if (mayImprove && nowMs - this.#firstValidMs < BETTER_PAIR_WAIT_MS) return;
    this.#nominee = pair;
    pair.sent = 0;
    this.#trigger(pair);
  }

  #trigger(pair: Pair<Path>): void {
    if (!this.#triggered.includes(pair)) this.#triggered.push(pair);
  }

  #onCheck(message: StunMessage, datagram: Buffer, { path, nowMs }: IceArrival<Path>): Buffer | undefined {
    if (!this.isAuthentic(message, datagram)) {
      this.counters.unauthentic++;
      return undefined;
    }
    if (this.#rate.take(nowMs) < 0) {
      this.counters.tooMany++;
      return undefined;
    }
    if (!this.#transactions.add(message.transactionId, path)) {
      this.counters.replayed++;
      return undefined;
    }
    const { pwd } = this.#options.local;
    const refusal = this.#refusalOf(message);
    if (refusal !== undefined) {
      this.counters.refused++;
      return refusal.finish(pwd);
    }
    const pair = this.#add(path, message.priority ?? 0);
    if (pair === undefined) return undefined;
    this.#firstCheckMs ??= nowMs;
    this.#lastCheckMs = nowMs;
    pair.checks++;
    if (pair.state !== 'succeeded') this.#trigger(pair);
    if (message.useCandidate && this.#role === 'controlled') {
      pair.wanted = true;
      if (pair.state === 'succeeded') this.#choose(pair);
    }
    return new StunWriter('success', message.transactionId).xorMappedAddress(path).finish(pwd);
  }

  /** Also settles who is the controlling side when both believe to be (RFC 8445 §7.3.1.1). */
  #refusalOf(message: StunMessage): StunWriter | undefined {
    const error = new StunWriter('error', message.transactionId);
    if (message.unknownAttributes.length > 0)
      return error.errorCode(420, 'Unknown Attribute').unknownAttributes(message.unknownAttributes);
    if (message.role !== this.#role) return undefined;
    const isOursLarger = this.#tieBreaker >= (message.tieBreaker ?? 0n);
    if (isOursLarger === (this.#role === 'controlling')) return error.errorCode(487, 'Role Conflict');
    this.#switchRole();
    return undefined;
  }

  #onAnswer(message: StunMessage, datagram: Buffer, { path, nowMs }: IceArrival<Path>): void {
    const check = this.#sent.find(message.transactionId);
    if (check === undefined) return;
    // An answer from elsewhere than the check went to proves nothing (RFC 8445 §7.2.5.2.1).
    if (check.pair.path !== path || !isIntegrityRight(datagram, message, this.#options.remote.pwd)) {
      this.counters.unauthentic++;
      return;
    }
    this.#sent.settle(message.transactionId);
    if (message.class === 'success') this.#onSuccess(check, nowMs);
    else if (message.errorCode === 487) this.#onRoleConflict(check);
    else if (check.pair.state !== 'succeeded') check.pair.state = 'failed';
  }

  #onSuccess({ pair, nominates, role }: SentCheck<Pair<Path>>, nowMs: number): void {
    this.#firstValidMs ??= nowMs;
    this.#firstCheckMs ??= nowMs;
    this.#lastCheckMs = nowMs;
    pair.heardMs = nowMs;
    pair.checks++;
    pair.state = 'succeeded';
    pair.dueMs = nowMs + this.#consentIntervalMs();
    const isChosen = nominates && role === 'controlling' && this.#role === 'controlling';
    if (isChosen || (pair.wanted && this.#role === 'controlled')) this.#choose(pair);
    else if (this.#selected === undefined) this.#select(pair);
  }

  /** Our role was wrong: try it again in the other one (RFC 8445 §7.2.5.1). */
  #onRoleConflict({ pair, role }: SentCheck<Pair<Path>>): void {
    if (role === this.#role) {
      this.#switchRole();
      this.#tieBreaker = newTieBreaker();
    }
    this.#trigger(pair);
  }

  #switchRole(): void {
    this.#role = this.#role === 'controlling' ? 'controlled' : 'controlling';
    this.#nominee = undefined;
  }

  #choose(pair: Pair<Path>): void {
    pair.nominated = true;
    this.#nominee = pair;
    if (pair !== this.#selected) this.#select(pair);
  }

  #select(pair: Pair<Path> | undefined): void {
    this.#selected = pair;
    this.#options.onPathChanged(pair?.path);
  }
}

function timeoutMs(sent: number): number {
  return Math.min(MAX_TIMEOUT_MS, FIRST_TIMEOUT_MS * 2 ** Math.min(sent, 8));
}

function newTieBreaker(): bigint {
  return randomBytes(8).readBigUInt64BE();
}

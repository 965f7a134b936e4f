import { randomUUID } from 'node:crypto';
import {
  type AccessControl,
  type Adaptations,
  type Counters,
  type Log,
  type MediaSession,
  type OutboundAddresses,
  type PushOptions,
  type RelayDirection,
  type RelayEnd,
  type RelayEvents,
  type RelayFacts,
  type RelayLink,
  type RelayOrigin,
  type RelayProtocol,
  type RelaySound,
  type SessionDescription,
  type SessionFacts,
  type SessionRegistry,
  type StreamRegistry,
  type StreamResolver,
  shownAddress,
  withoutCredentials,
} from '../core/index.ts';
import type { Ticker } from '../io/index.ts';
import type { RelayOptions } from './options.ts';
import { StatusReports } from './status-reports.ts';
import { Supervision } from './supervision.ts';

export interface RelayDeps {
  readonly streams: StreamRegistry;
  readonly sessions: SessionRegistry;
  /** Told of states of relays. */
  readonly access: AccessControl;
  readonly adaptations: Adaptations;
  /** Asked in order for streams to push that are not live, and for files of sound (`vod://`). May grow later. */
  readonly resolvers: readonly StreamResolver[];
  readonly counters: Counters;
  readonly log: Log;
  readonly ticker: Ticker;
  /** Asked in order by schemes. May grow later. */
  readonly protocols: readonly RelayProtocol[];
  readonly outbound: OutboundAddresses;
  /** In [0, 1), for pauses between attempts. */
  readonly random?: (() => number) | undefined;
}

/** What a relay is to do. Settled before it begins. */
export interface RelaySpec {
  readonly direction: RelayDirection;
  readonly protocol: RelayProtocol;
  readonly origin: RelayOrigin;
  /** As it was asked for. */
  readonly url: string;
  /** The same with a scheme. */
  readonly target: string;
  readonly streamName: string;
  readonly remoteStreamName: string | undefined;
  readonly appKey: string;
  readonly record: boolean;
  readonly options: PushOptions;
}

/** What a relay is given by the one who keeps it. */
export interface RelayEnv {
  readonly deps: RelayDeps;
  readonly options: RelayOptions;
  /** It is over; its connection may take a moment longer: `released`. Called once. */
  onOver(relay: Relay): void;
}

/** A stream that is pulled or pushed, from its begin to its end, over any number of connections. */
export abstract class Relay implements MediaSession {
  readonly mediaSessionId = randomUUID();
  readonly spec: RelaySpec;
  protected readonly env: RelayEnv;
  protected readonly log: Log;
  protected readonly supervision: Supervision;
  protected link: RelayLink | undefined;
  readonly #createdAtMs = Date.now();
  readonly #reports: StatusReports;
  #registration: Disposable | undefined;
  #over = false;

  constructor(env: RelayEnv, spec: RelaySpec) {
    this.env = env;
    this.spec = spec;
    const { deps } = env;
    this.log = deps.log.child({
      relay: this.mediaSessionId,
      direction: spec.direction,
      stream: withoutCredentials(spec.streamName),
      url: shownAddress(spec),
    });
    this.supervision = new Supervision({
      policy: this.#policy(),
      firstMustWork: spec.origin === 'viewer',
      // Protocols keep the time themselves; viewers that wait should not depend on it.
      overdueMs: spec.direction === 'pull' ? 2 * env.options.connectTimeoutMs : undefined,
      counters: deps.counters,
      log: this.log,
      random: deps.random ?? Math.random,
      connect: (events) => this.connect(events),
      onLink: (link) => {
        this.link = link;
        this.onLink(link);
      },
      onConnected: (again) => this.onConnected(again),
      onMedia: () => this.onMedia(),
      onState: () => this.#onState(),
      onGivenUp: (end) => this.#onGivenUp(end),
    });
    this.#reports = new StatusReports((fields) => deps.access.relayed(spec.appKey, fields));
  }

  /** Something here comes of it, or is watched: it is not to be ended for want of viewers. */
  protected abstract connect(events: RelayEvents): RelayLink;
  protected abstract onLink(link: RelayLink | undefined): void;
  protected abstract onConnected(again: boolean): void;
  protected abstract onMedia(): void;
  /** It is over: lets go of the stream. */
  protected abstract onOver(reason: string): void;
  /** Why it is over, for those who watch the stream. */
  protected abstract givenUp(end: RelayEnd): string;
  protected abstract readonly has: { readonly video: boolean; readonly audio: boolean };
  abstract readonly muted: boolean;
  abstract readonly sound: RelaySound | undefined;
  abstract explain(): SessionFacts;

  get over(): boolean {
    return this.#over;
  }

  /** Resolves when its connection is released too; after `close`. */
  get released(): Promise<void> {
    return this.supervision.released;
  }

  /** Begins, once `after` is settled. */
  start(after: Promise<void> | undefined): void {
    this.#registration = this.env.deps.sessions.add(this);
    this.env.deps.counters.count('relays_started');
    this.log.info({ origin: this.spec.origin, protocol: this.spec.protocol.protocol }, 'relay begins');
    this.supervision.start(after);
  }

  /** To be called now and then. */
  tick(nowMs: number): void {
    this.supervision.tick(nowMs);
    this.#reports.tick(nowMs);
  }

  close(reason: string): void {
    if (this.#over) return;
    this.#over = true;
    this.supervision.close(reason);
    this.#registration?.[Symbol.dispose]();
    this.onOver(reason);
    const { attempts, reconnects } = this.supervision;
    this.log.info({ reason, attempts, reconnects }, 'relay over');
    this.env.onOver(this);
  }

  facts(): RelayFacts {
    const { spec, supervision } = this;
    const { direction, origin, url, streamName, remoteStreamName, record, options } = spec;
    const { state, attempts, reconnects, lastError, nextAttemptAtMs, notes } = supervision;
    const { bytesIn, bytesOut, packets, drops, lostPackets } = supervision.totals();
    return {
      mediaSessionId: this.mediaSessionId,
      remoteMediaSessionId: supervision.linkFacts()?.remoteMediaSessionId,
      protocol: spec.protocol.protocol,
      createdAtMs: this.#createdAtMs,
      hasVideo: this.has.video,
      hasAudio: this.has.audio,
      notes: notes.texts,
      bytes: direction === 'pull' ? bytesIn : bytesOut,
      muted: this.muted,
      sound: this.sound,
      ...{ direction, origin, url, streamName, remoteStreamName, record, options },
      ...{ state, attempts, reconnects, lastError, nextAttemptAtMs, packets, drops, lostPackets },
    };
  }

  describe(): SessionDescription {
    const { spec, supervision } = this;
    const pulls = spec.direction === 'pull';
    const link = supervision.linkFacts();
    const { bytesIn, bytesOut, packets, drops, lostPackets } = supervision.totals();
    return {
      sessionId: this.sessionId,
      mediaSessionId: this.mediaSessionId,
      appKey: spec.appKey,
      protocol: spec.protocol.protocol,
      mediaProvider: spec.protocol.mediaProvider,
      mediaType: pulls ? 'publish' : 'play',
      streamName: spec.streamName,
      status: this.#status(pulls ? 'PUBLISHING' : 'PLAYING'),
      createDate: this.#createdAtMs,
      transport: link?.transport ?? 'TCP',
      remoteAddress: link?.remoteAddress ?? '',
      queuedBytes: link?.queuedBytes ?? 0,
      custom: {},
      ...{ bytesIn, bytesOut, packets, drops, lostPackets },
    };
  }

  get sessionId(): string {
    return `relay/${this.mediaSessionId}`;
  }

  /** Options of every attempt. */
  protected attempt(events: RelayEvents) {
    const { target, remoteStreamName } = this.spec;
    const { connectTimeoutMs, stallTimeoutMs } = this.env.options;
    return {
      url: target,
      remoteStreamName,
      mediaSessionId: this.mediaSessionId,
      outbound: this.env.deps.outbound,
      connectTimeoutMs,
      stallTimeoutMs,
      log: this.log,
      events,
    };
  }

  #policy() {
    const { direction, protocol } = this.spec;
    const { retry, rtmpPushRetry } = this.env.options;
    return direction === 'push' && protocol.protocol === 'rtmp' ? rtmpPushRetry : retry;
  }

  #status(running: 'PUBLISHING' | 'PLAYING'): SessionDescription['status'] {
    if (this.#over) return 'STOPPED';
    return this.supervision.state === 'running' ? running : 'PENDING';
  }

  #onState(): void {
    const { state, attempts, reconnects, lastError } = this.supervision;
    const { direction, streamName } = this.spec;
    if (state === 'running') this.log.info({ attempts }, 'relay runs');
    this.#reports.report({
      mediaSessionId: this.mediaSessionId,
      direction,
      name: streamName,
      uri: shownAddress(this.spec),
      status: state.toUpperCase(),
      attempts,
      reconnects,
      ...(lastError !== undefined && state !== 'running' && { info: lastError.message }),
    });
  }

  #onGivenUp(end: RelayEnd): void {
    this.env.deps.counters.count('relays_given_up');
    this.close(this.givenUp(end));
  }
}

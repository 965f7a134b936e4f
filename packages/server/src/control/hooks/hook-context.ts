import type { StreamObject } from '@sluice/contract';
import type { Counters, Log, MediaSession, RecentEndings, Recorder, Stream, StreamRegistry } from '../../core/index.ts';
import type { RateLimiter } from '../../io/index.ts';
import type { ApplicationStore } from './applications/application-store.ts';
import type { BackEnds } from './delivery/back-ends.ts';
import type { HookOptions } from './hook-options.ts';

/** What a client or viewer wants to do, as stream tokens and lists of addresses are asked about it. */
export interface AccessQuestion {
  readonly kind: 'publish' | 'play';
  readonly protocol: string;
  readonly streamName: string;
  readonly remoteAddress: string;
  readonly custom: Readonly<Record<string, unknown>>;
  readonly appKey: string;
}

/** Decides before any back end is asked. */
export interface AccessGate {
  /** Resolves when it may. @throws MediaServerError TOKEN_REQUIRED, ACCESS_DENIED or TOO_MANY_ATTEMPTS */
  check(question: AccessQuestion): Promise<void>;
}

/** What the parts of access control share. */
export interface HookContext {
  readonly applications: ApplicationStore;
  readonly backEnds: BackEnds;
  readonly gate: AccessGate | undefined;
  readonly endings: RecentEndings;
  readonly streams: StreamRegistry;
  /** The object of a publication or playback; `stream` is absent while a player waits for it. */
  readonly describe: (session: MediaSession, stream: Stream | undefined) => StreamObject;
  /** Knows the files of recordings; it is made after this. */
  readonly recorder?: (() => Pick<Recorder, 'settled'> | undefined) | undefined;
  /** Names this server to back ends. */
  readonly nodeId: string;
  readonly options: HookOptions;
  readonly log: Log;
  readonly counters: Counters;
  /** Lets a few lines a second into the log: a back end that is gone fails often. */
  readonly faults: RateLimiter;
  /** Aborted when the server stops: nothing is tried again then. */
  readonly stopping: AbortSignal;
}

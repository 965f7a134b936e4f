import type { DropReason, MediaSession, SessionDescription, SessionRegistry } from '../../core/index.ts';
import { SampleRing } from './sample-ring.ts';

/** What is noted of a session at each sample, in the terms of the contract (SessionHistoryBody). */
export const SESSION_SERIES = ['bitsInPerSecond', 'bitsOutPerSecond', 'drops', 'lost', 'queuedBytes'] as const;

export type SessionSeries = (typeof SESSION_SERIES)[number];

/** Sessions that begin while this many have a history get none; bounds all histories together to 8 MB. */
const MAX_HISTORIES = 1000;
/** Weight of the newest second in a bit rate that is told. */
const RATE_WEIGHT = 0.5;

interface Entry {
  readonly history: SampleRing<SessionSeries> | undefined;
  bytesIn: number;
  bytesOut: number;
  drops: number;
  lost: number;
  bitrateIn: number;
  bitrateOut: number;
  /** Number of the last sample that had the session. */
  seen: number;
}

/** A session with what it said of itself at one moment. */
export interface Described {
  readonly session: MediaSession;
  readonly description: SessionDescription;
}

/** Bits a second of one session; 0 until it was sampled twice. */
export interface SessionRates {
  readonly bitrateIn: number;
  readonly bitrateOut: number;
}

const NO_RATES: SessionRates = { bitrateIn: 0, bitrateOut: 0 };

/** Asks every session once, as that is what sampling costs most with thousands of viewers. */
export function describeAll(sessions: SessionRegistry): readonly Described[] {
  const described: Described[] = [];
  for (const session of sessions.all()) described.push({ session, description: session.describe() });
  return described;
}

/** Packets that did not go through; what is left out on purpose (`not_carried`) is none. */
export function droppedPackets(drops: SessionDescription['drops']): number {
  let sum = 0;
  for (const reason in drops) if (reason !== 'not_carried') sum += drops[reason as DropReason] ?? 0;
  return sum;
}

/** Notes once a second how each session goes, for the console's lists and charts; forgets those that are over. */
export class SessionSamples {
  readonly #maxHistories: number;
  readonly #entries = new Map<MediaSession, Entry>();
  #histories = 0;
  #samples = 0;
  #sampledMs = 0;

  constructor(maxHistories = MAX_HISTORIES) {
    this.#maxHistories = maxHistories;
  }

  /** Sessions that are known. */
  get size(): number {
    return this.#entries.size;
  }

  ratesOf(session: MediaSession): SessionRates {
    return this.#entries.get(session) ?? NO_RATES;
  }

  /** Undefined for a session that began while there were too many, or has not been sampled yet. */
  historyOf(session: MediaSession): SampleRing<SessionSeries> | undefined {
    return this.#entries.get(session)?.history;
  }

  /**
   * Takes one sample of each session; `nowMs` is monotonic, `wallMs` the time of day.
   * @returns bits a second since the last sample, over all sessions
   */
  sample(nowMs: number, wallMs: number, described: readonly Described[]): { bitsIn: number; bitsOut: number } {
    const elapsedMs = this.#sampledMs === 0 ? 1000 : Math.max(1, nowMs - this.#sampledMs);
    this.#sampledMs = nowMs;
    this.#samples++;
    const sum = { bitsIn: 0, bitsOut: 0 };
    for (const { session, description } of described) {
      const entry = this.#entries.get(session);
      if (entry === undefined) {
        this.#begin(session, description, wallMs);
        continue;
      }
      const bitsIn = (Math.max(0, description.bytesIn - entry.bytesIn) * 8000) / elapsedMs;
      const bitsOut = (Math.max(0, description.bytesOut - entry.bytesOut) * 8000) / elapsedMs;
      sum.bitsIn += bitsIn;
      sum.bitsOut += bitsOut;
      this.#note(entry, { description, bitsIn, bitsOut, wallMs });
    }
    this.#forgetEnded();
    return sum;
  }

  #begin(session: MediaSession, { bytesIn, bytesOut, drops, lostPackets }: SessionDescription, wallMs: number): void {
    const kept = this.#histories < this.#maxHistories;
    if (kept) this.#histories++;
    this.#entries.set(session, {
      history: kept ? new SampleRing(SESSION_SERIES, wallMs) : undefined,
      bytesIn,
      bytesOut,
      drops: droppedPackets(drops),
      lost: lostPackets ?? 0,
      bitrateIn: 0,
      bitrateOut: 0,
      seen: this.#samples,
    });
  }

  #note(entry: Entry, now: { description: SessionDescription; bitsIn: number; bitsOut: number; wallMs: number }): void {
    const { bytesIn, bytesOut, queuedBytes, lostPackets = 0 } = now.description;
    const drops = droppedPackets(now.description.drops);
    entry.history?.push(now.wallMs, {
      bitsInPerSecond: now.bitsIn,
      bitsOutPerSecond: now.bitsOut,
      drops: Math.max(0, drops - entry.drops),
      lost: Math.max(0, lostPackets - entry.lost),
      queuedBytes,
    });
    entry.bitrateIn += (now.bitsIn - entry.bitrateIn) * (entry.bitrateIn === 0 ? 1 : RATE_WEIGHT);
    entry.bitrateOut += (now.bitsOut - entry.bitrateOut) * (entry.bitrateOut === 0 ? 1 : RATE_WEIGHT);
    entry.bytesIn = bytesIn;
    entry.bytesOut = bytesOut;
    entry.drops = drops;
    entry.lost = lostPackets;
    entry.seen = this.#samples;
  }

  #forgetEnded(): void {
    for (const [session, entry] of this.#entries) {
      if (entry.seen === this.#samples) continue;
      this.#entries.delete(session);
      if (entry.history !== undefined) this.#histories--;
    }
  }
}

/** What is known of the requests of one viewer, by WCS's names (functions-2 §H.6); times in milliseconds. */
export interface RequestStatistics {
  /** How long each quality was watched, by its name; `original` for the stream as it is. */
  readonly profileTime: Readonly<Record<string, number>>;
  readonly requestsNumber: number;
  /** Answers by their status. */
  readonly requestStatuses: Readonly<Record<string, number>>;
  readonly profileSwitches: number;
  /** Until an answer began; of requests that were not meant to wait. */
  readonly maxResponseTime: number;
  readonly minResponseTime: number;
  readonly avgResponseTime: number;
}

const MAX_PROFILES = 32;

/** Measures the requests of one viewer, at the cost of some additions for each. */
export class RequestMeter {
  readonly #profiles = new Map<string, number>();
  readonly #statuses = new Map<number, number>();
  #profile: string | undefined;
  #shownMs: number;
  #switches = 0;
  #requests = 0;
  #timed = 0;
  #sumMs = 0;
  #minMs = Number.POSITIVE_INFINITY;
  #maxMs = 0;

  constructor(nowMs: number) {
    this.#shownMs = nowMs;
  }

  /** A playlist of that quality is sent. */
  shows(variant = 'original', nowMs: number): void {
    if (this.#profile === variant) return;
    this.#count(nowMs);
    if (this.#profile !== undefined) this.#switches++;
    this.#profile = variant;
  }

  answered(status: number, tookMs: number | undefined): void {
    this.#requests++;
    this.#statuses.set(status, (this.#statuses.get(status) ?? 0) + 1);
    if (tookMs === undefined) return;
    this.#timed++;
    this.#sumMs += tookMs;
    this.#minMs = Math.min(this.#minMs, tookMs);
    this.#maxMs = Math.max(this.#maxMs, tookMs);
  }

  statistics(nowMs: number): RequestStatistics {
    this.#count(nowMs);
    return {
      profileTime: Object.fromEntries([...this.#profiles].map(([name, ms]) => [name, Math.round(ms)])),
      requestsNumber: this.#requests,
      requestStatuses: Object.fromEntries(this.#statuses),
      profileSwitches: this.#switches,
      maxResponseTime: round(this.#maxMs),
      minResponseTime: this.#timed === 0 ? 0 : round(this.#minMs),
      avgResponseTime: this.#timed === 0 ? 0 : round(this.#sumMs / this.#timed),
    };
  }

  #count(nowMs: number): void {
    const profile = this.#profile;
    const known = profile !== undefined && (this.#profiles.has(profile) || this.#profiles.size < MAX_PROFILES);
    if (known) this.#profiles.set(profile, (this.#profiles.get(profile) ?? 0) + nowMs - this.#shownMs);
    this.#shownMs = nowMs;
  }
}

function round(ms: number): number {
  return Math.round(ms * 10) / 10;
}

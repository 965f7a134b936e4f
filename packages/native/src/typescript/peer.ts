import { type PeerKeys, SENT_FIELDS } from '../egress.ts';
import { RECEIVED, RECORD_FIELDS, recordsOfSent } from '../received-batch.ts';
import { SrtpReceiver, SrtpSender } from '../srtp/index.ts';
import type { Track } from './track.ts';

const LEAST_PACKETS = 64;
const MAX_PACKETS = 8192;
/** The ring grows while it would overwrite what is younger and was not told. */
const KEPT_MS = 1500;

/**
 * What left under which transport-wide number, as far as the caller was not told: a bounded ring without an allocation for
 * each packet.
 */
export class SentHistory {
  /** Number of the packet that is sent next, unwrapped. */
  next = 1;
  #begin = 1;
  #told = 1;
  #sentMs = new Float64Array(0);
  #bytes = new Uint16Array(0);
  #marks = new Uint16Array(0);

  add(bytes: number, mark: number, nowMs: number): void {
    const size = this.#sentMs.length;
    const oldest = this.next - size;
    const isNeeded = oldest >= Math.max(this.#told, this.#begin);
    if (size === 0) this.#resize(LEAST_PACKETS);
    else if (isNeeded && size < MAX_PACKETS && nowMs - (this.#sentMs[oldest % size] ?? 0) < KEPT_MS)
      this.#resize(size * 2);
    const slot = this.next++ % this.#sentMs.length;
    this.#sentMs[slot] = nowMs;
    this.#bytes[slot] = bytes;
    this.#marks[slot] = mark;
  }

  /** As `Egress.sentSince`. */
  since(number: number, out: Float64Array): number {
    let count = 0;
    for (let at = Math.max(number, this.#first); at < this.next && (count + 1) * SENT_FIELDS <= out.length; at++) {
      const slot = at % this.#sentMs.length;
      const to = count * SENT_FIELDS;
      out[to] = at;
      out[to + 1] = this.#sentMs[slot] ?? 0;
      out[to + 2] = this.#bytes[slot] ?? 0;
      out[to + 3] = this.#marks[slot] ?? 0;
      count++;
    }
    return count;
  }

  /** Writes what the caller was not told of yet into a record, which it knows then; undefined when that is nothing. */
  tell(peer: number): Float64Array | undefined {
    const first = Math.max(this.#told, this.#first);
    const count = this.next - first;
    if (count === 0) return undefined;
    const record = new Float64Array(recordsOfSent(count) * RECORD_FIELDS);
    record.set([RECEIVED.sent, peer, first, count, 0, performance.now()]);
    const size = this.#sentMs.length;
    for (let i = 0; i < count; i++) {
      const slot = (first + i) % size;
      record[RECORD_FIELDS + i * 2] = this.#sentMs[slot] ?? 0;
      record[RECORD_FIELDS + i * 2 + 1] = (this.#marks[slot] ?? 0) * 0x10000 + (this.#bytes[slot] ?? 0);
    }
    this.#told = this.next;
    if (count <= LEAST_PACKETS / 2 && size > LEAST_PACKETS) {
      this.#begin = this.next;
      this.#resize(LEAST_PACKETS);
    }
    return record;
  }

  get #first(): number {
    return Math.max(this.#begin, this.next - this.#sentMs.length);
  }

  #resize(size: number): void {
    const before = this.#sentMs.length;
    const [sentMs, bytes, marks] = [new Float64Array(size), new Uint16Array(size), new Uint16Array(size)];
    for (let number = this.#first; number < this.next; number++) {
      sentMs[number % size] = this.#sentMs[number % before] ?? 0;
      bytes[number % size] = this.#bytes[number % before] ?? 0;
      marks[number % size] = this.#marks[number % before] ?? 0;
    }
    this.#sentMs = sentMs;
    this.#bytes = bytes;
    this.#marks = marks;
  }
}

/** What may leave now: a rate with a burst. */
export class Budget {
  #bytesPerMs = 0;
  #burstBytes = 0;
  #left = 0;
  #atMs = 0;

  set(bps: number, burstBytes: number, nowMs: number): void {
    const wasLimited = this.#bytesPerMs > 0;
    // A new rate does not give a new burst.
    if (wasLimited) this.allows(nowMs);
    this.#left = wasLimited ? Math.min(this.#left, burstBytes) : burstBytes;
    this.#bytesPerMs = bps / 8000;
    this.#burstBytes = burstBytes;
    this.#atMs = nowMs;
  }

  allows(nowMs: number): boolean {
    if (this.#bytesPerMs === 0) return true;
    this.#left = Math.min(this.#burstBytes, this.#left + this.#bytesPerMs * (nowMs - this.#atMs));
    this.#atMs = nowMs;
    return this.#left > 0;
  }

  spend(bytes: number): void {
    if (this.#bytesPerMs === 0) return;
    this.allows(performance.now());
    this.#left -= bytes;
  }
}

/** One peer: keys, address, budget, numbers, and the tracks that follow lanes. */
export class Peer {
  readonly id: number;
  readonly sender: SrtpSender;
  readonly receiver: SrtpReceiver | undefined;
  readonly budget = new Budget();
  readonly history = new SentHistory();
  readonly tracks: Track[] = [];
  readonly routes: { readonly address: string; readonly port: number }[] = [];
  address = '';
  /** 0: it has no address yet. */
  port = 0;
  /** What is sealed for it is handed to the caller. */
  diverted = false;
  packets = 0;
  bytes = 0;
  dropped = 0;
  unreachable = 0;
  received = 0;
  receivedBytes = 0;

  constructor(id: number, keys: PeerKeys) {
    this.id = id;
    this.sender = new SrtpSender(keys.profile, keys.send, { allowRepeats: keys.allowRepeats ?? false });
    this.receiver = keys.receive && new SrtpReceiver(keys.profile, keys.receive);
  }

  /** There is somewhere to send to. */
  get hasWay(): boolean {
    return this.diverted || this.port !== 0;
  }

  track(ssrc: number): Track | undefined {
    return this.tracks.find((track) => track.format.ssrc === ssrc);
  }
}

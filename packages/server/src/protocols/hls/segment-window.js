/**
 * The segments of one stream that can be fetched: those in the playlist, and some that have left it for clients
 * that are slow (RFC 8216 §6.2.2). Numbers go on over restarts of the stream.
 */
export class SegmentWindow {
  #options;
  #inits = new Map();
  #segments = [];
  #next;
  /** Segments before this one belong to an earlier publication and are not listed. */
  #floor;
  #discontinuities = 0;
  #pendingDiscontinuity = false;
  #bytes = 0;
  #targetSeconds;
  constructor(options) {
    this.#options = options;
    this.#next = options.firstSequence;
    this.#floor = options.firstSequence;
    this.#targetSeconds = Math.max(1, Math.ceil(options.segmentMinMs / 1000));
  }
  /** Number that the next segment will get. */
  get nextSequence() {
    return this.#next;
  }
  /** Bytes of all segments kept. */
  get bytes() {
    return this.#bytes;
  }
  /** EXT-X-TARGETDURATION, seconds; never shrinks (RFC 8216 §4.3.3.1). */
  get targetSeconds() {
    return this.#targetSeconds;
  }
  /** Discontinuity sequence number before the next segment. */
  get discontinuitySequence() {
    return this.#discontinuities;
  }
  /** The segments of the playlist, oldest first. */
  get listed() {
    return this.#segments.slice(-this.#options.listSize).filter((s) => s.sequence >= this.#floor);
  }
  segment(sequence) {
    return this.#segments.find((s) => s.sequence === sequence);
  }
  init(number) {
    return this.#inits.get(number);
  }
  /** Keeps an initialization section; it is named after the first segment that needs it. */
  addInit(bytes) {
    this.#inits.set(this.#next, bytes);
    return this.#next;
  }
  /** Appends a segment and lets go of what is over the bounds; the newest segment always stays. */
  add(segment) {
    const discontinuity = segment.discontinuity || this.#pendingDiscontinuity;
    const added = {
      ...segment,
      discontinuity,
      sequence: this.#next++,
      discontinuitySequence: this.#discontinuities,
    };
    if (discontinuity) this.#discontinuities++;
    this.#pendingDiscontinuity = false;
    // EXTINF is rounded to the nearest integer for the comparison, but some validators round it up.
    this.#targetSeconds = Math.max(this.#targetSeconds, Math.ceil((added.durationUs - 1000) / 1e6));
    this.#segments.push(added);
    this.#bytes += added.bytes.byteLength;
    this.#trim();
    return added;
  }
  /** Begins the playlist anew for another publication; earlier segments can still be fetched. */
  restart() {
    this.#floor = this.#next;
    this.#pendingDiscontinuity = this.#segments.length > 0;
  }
  /** Lets go of everything. */
  clear() {
    this.#segments = [];
    this.#inits.clear();
    this.#bytes = 0;
  }
  #trim() {
    const { listSize, maxBytes } = this.#options;
    const keep = listSize + Math.ceil(listSize / 2) + 3;
    while (this.#segments.length > 1 && (this.#segments.length > keep || this.#bytes > maxBytes)) {
      this.#bytes -= this.#segments.shift()?.bytes.byteLength ?? 0;
    }
    // An init that no segment uses yet belongs to the segment that is being made.
    for (const number of this.#inits.keys()) {
      if (number < this.#next && !this.#segments.some((s) => s.init === number)) this.#inits.delete(number);
    }
  }
}
//# sourceMappingURL=segment-window.js.map

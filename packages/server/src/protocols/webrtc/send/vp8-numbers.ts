/** Of the VP8 payload descriptor (RFC 7741 §4.2). */
const EXTENDED = 0x80;
const HAS_PICTURE_ID = 0x80;
const HAS_TL0 = 0x40;
const LONG_PICTURE_ID = 0x80;

/** Frames that were left out are remembered for packets that are sent again: so many. */
const REMEMBERED = 512;
const PICTURE_ID_MASK = 0x7fff;

/**
 * Numbers of VP8 frames for one viewer: PictureID and TL0PICIDX go on without a gap where the picture goes over to another
 * encoding, or frames are left out. Decoders find out by them what a frame refers to, and wait for those that are missing.
 * Nothing is copied: numbers are written into packets that are about to be sent.
 */
export class Vp8Numbers {
  /** Numbers of the newest packet as they were sent; -1 before the first. */
  lastPicture = -1;
  lastTl0 = -1;

  /** What is sent next is a key frame that begins with this payload, of a lane that has not been sent before. */
  begin(payload: Uint8Array): Vp8Run {
    const pictureAt = pictureIdAt(payload);
    const tl0At = tl0IndexAt(payload);
    const { lastPicture, lastTl0 } = this;
    return new Vp8Run(this, {
      picture: pictureAt >= 0 && lastPicture >= 0 ? lastPicture + 1 - pictureId(payload, pictureAt) : 0,
      tl0: tl0At >= 0 && lastTl0 >= 0 ? lastTl0 + 1 - (payload[tl0At] ?? 0) : 0,
    });
  }
}

/** The numbers of what is sent of one lane, from one start on: also of packets that are sent again later. */
export class Vp8Run {
  readonly #numbers: Vp8Numbers;
  readonly #offsets: { readonly picture: number; readonly tl0: number };
  /** Sequence number, in its lane, of the newest packet that was sent. */
  #newest = -1;
  /** The same of the first packets of frames that were left out, ascending in a ring. */
  #left: Float64Array | undefined;
  #leftCount = 0;

  constructor(numbers: Vp8Numbers, offsets: { readonly picture: number; readonly tl0: number }) {
    this.#numbers = numbers;
    this.#offsets = offsets;
  }

  /**
   * A frame is left out: those after it are numbered as if it had never been. `sequence` is that of its first packet.
   * TL0PICIDX stays as it is, as frames of the base are left out only together with all others up to a key frame.
   */
  leaveOut(sequence: number): void {
    this.#left ??= new Float64Array(REMEMBERED);
    this.#left[this.#leftCount++ % REMEMBERED] = sequence;
  }

  /** What is added to the numbers of packets that come now. */
  get offsetsNow(): { readonly pictureIdOffset: number; readonly tl0Offset: number } {
    return { pictureIdOffset: this.#offsets.picture - this.#leftCount, tl0Offset: this.#offsets.tl0 };
  }

  /** Packets up to the one with that payload were sent with those offsets. */
  passTo(payload: Uint8Array, sequence: number): void {
    if (sequence <= this.#newest) return;
    this.#newest = sequence;
    const pictureAt = pictureIdAt(payload);
    const tl0At = tl0IndexAt(payload);
    const { pictureIdOffset, tl0Offset } = this.offsetsNow;
    if (pictureAt >= 0) this.#numbers.lastPicture = (pictureId(payload, pictureAt) + pictureIdOffset) & PICTURE_ID_MASK;
    if (tl0At >= 0) this.#numbers.lastTl0 = ((payload[tl0At] ?? 0) + tl0Offset) & 0xff;
  }

  // Hot path: once per packet and viewer.
  /** Writes the viewer's numbers over those of the payload at that place; `sequence` is that of the packet in its lane. */
  write(packet: Uint8Array, at: number, sequence: number): void {
    const pictureAt = pictureIdAt(packet, at);
    const tl0At = tl0IndexAt(packet, at);
    const isNewest = sequence > this.#newest;
    if (isNewest) this.#newest = sequence;
    if (pictureAt >= 0) {
      const left = isNewest ? this.#leftCount : this.#leftBefore(sequence);
      const number = (pictureId(packet, pictureAt) + this.#offsets.picture - left) & PICTURE_ID_MASK;
      if (isNewest) this.#numbers.lastPicture = number;
      writePictureId(packet, pictureAt, number);
    }
    if (tl0At >= 0) {
      const number = ((packet[tl0At] ?? 0) + this.#offsets.tl0) & 0xff;
      if (isNewest) this.#numbers.lastTl0 = number;
      packet[tl0At] = number;
    }
  }

  #leftBefore(sequence: number): number {
    let left = this.#leftCount;
    const ring = this.#left;
    if (ring === undefined) return 0;
    while (left > 0 && this.#leftCount - left < REMEMBERED && (ring[(left - 1) % REMEMBERED] ?? 0) > sequence) left--;
    return left;
  }
}

/** Where the PictureID is; -1 when there is none. */
function pictureIdAt(bytes: Uint8Array, at = 0): number {
  const isThere = ((bytes[at] ?? 0) & EXTENDED) !== 0 && ((bytes[at + 1] ?? 0) & HAS_PICTURE_ID) !== 0;
  return isThere && at + 3 < bytes.length ? at + 2 : -1;
}

function tl0IndexAt(bytes: Uint8Array, at = 0): number {
  if (((bytes[at] ?? 0) & EXTENDED) === 0 || ((bytes[at + 1] ?? 0) & HAS_TL0) === 0) return -1;
  const picture = pictureIdAt(bytes, at);
  const index = picture < 0 ? at + 2 : picture + (isLong(bytes, picture) ? 2 : 1);
  return index < bytes.length ? index : -1;
}

function isLong(bytes: Uint8Array, at: number): boolean {
  return ((bytes[at] ?? 0) & LONG_PICTURE_ID) !== 0;
}

function pictureId(bytes: Uint8Array, at: number): number {
  const high = (bytes[at] ?? 0) & 0x7f;
  return isLong(bytes, at) ? (high << 8) | (bytes[at + 1] ?? 0) : high;
}

function writePictureId(bytes: Uint8Array, at: number, number: number): void {
  if (isLong(bytes, at)) {
    bytes[at] = LONG_PICTURE_ID | (number >> 8);
    bytes[at + 1] = number;
  } else bytes[at] = number & 0x7f;
}

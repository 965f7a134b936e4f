/** Header fields of one RTSP message, in their order (RFC 2326 §4.2); names are compared without case. */
export class RtspHeaders {
  readonly #fields: [name: string, value: string][] = [];

  /** Header fields from an object; those of value `undefined` are left out. */
  static of(fields: Readonly<Record<string, string | number | undefined>>): RtspHeaders {
    const headers = new RtspHeaders();
    for (const [name, value] of Object.entries(fields)) if (value !== undefined) headers.add(name, String(value));
    return headers;
  }

  /** How many fields there are. */
  get size(): number {
    return this.#fields.length;
  }

  /** The first field of that name. */
  get(name: string): string | undefined {
    const wanted = name.toLowerCase();
    return this.#fields.find(([known]) => known.toLowerCase() === wanted)?.[1];
  }

  /** All fields of that name, as a server that knows Basic and Digest sends two `WWW-Authenticate`. */
  all(name: string): readonly string[] {
    const wanted = name.toLowerCase();
    return this.#fields.filter(([known]) => known.toLowerCase() === wanted).map(([, value]) => value);
  }

  /** Adds a field behind those that are there. */
  add(name: string, value: string): void {
    this.#fields.push([name, value]);
  }

  /** Replaces all fields of that name by one. */
  set(name: string, value: string): void {
    const wanted = name.toLowerCase();
    const at = this.#fields.findIndex(([known]) => known.toLowerCase() === wanted);
    if (at < 0) return this.add(name, value);
    for (let i = this.#fields.length - 1; i > at; i -= 1) {
      if (this.#fields[i]?.[0].toLowerCase() === wanted) this.#fields.splice(i, 1);
    }
    this.#fields[at] = [name, value];
  }

  /** Goes on with the last field: a line that begins with white space (header folding, RFC 2616 §2.2). */
  fold(text: string): void {
    const last = this.#fields.at(-1);
    if (last !== undefined) last[1] = last[1] === '' ? text : `${last[1]} ${text}`;
  }

  [Symbol.iterator](): IterableIterator<readonly [name: string, value: string]> {
    return this.#fields[Symbol.iterator]();
  }
}

/** The number of a message (RFC 2326 §12.17); undefined when it has none that can be read. */
export function sequenceOf(headers: RtspHeaders): number | undefined {
  const text = headers.get('CSeq')?.trim();
  return text !== undefined && /^\d{1,10}$/.test(text) ? Number(text) : undefined;
}

import { ProtocolError } from '@sluice/media';

/** Where the second connection of a tunnel brings what the client sends. */
export interface TunnelEnd {
  /** False once the GET is closed. A POST may be closed, and another one come for it, as QuickTime does. */
  readonly open: boolean;
  /** Bytes of RTSP, without base64. */
  receive(bytes: Uint8Array): void;
}

/**
 * RTSP over HTTP as QuickTime has it, and VLC and FFmpeg after it: answers and media come on a GET, whose connection is
 * the client's; requests go as base64 on a POST with the same `x-sessioncookie`.
 */
export class Tunnels {
  readonly #ends = new Map<string, TunnelEnd>();

  /** A GET came; false when another one has that cookie. */
  open(cookie: string, address: string, end: TunnelEnd): boolean {
    const key = keyOf(cookie, address);
    if (this.#ends.has(key)) return false;
    this.#ends.set(key, end);
    return true;
  }

  /** The client whose GET had that cookie, of the same address. */
  find(cookie: string, address: string): TunnelEnd | undefined {
    return this.#ends.get(keyOf(cookie, address));
  }

  /** The GET is gone. */
  close(cookie: string, address: string, end: TunnelEnd): void {
    const key = keyOf(cookie, address);
    if (this.#ends.get(key) === end) this.#ends.delete(key);
  }
}

function keyOf(cookie: string, address: string): string {
  return `${address} ${cookie}`;
}

/** Reads base64 that comes in pieces, whose messages may each end with padding. Holds at most three characters. */
export class TunnelDecoder {
  #held = '';

  /** @throws ProtocolError RTSP_BAD_TUNNEL for what is no base64 */
  push(bytes: Uint8Array): Buffer {
    const text = this.#held + Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1');
    const clean = text.replaceAll(/[\r\n\t ]+/g, '');
    if (/[^A-Za-z0-9+/=]/.test(clean)) throw new ProtocolError('RTSP_BAD_TUNNEL', 'what came is no base64');
    const usable = clean.length - (clean.length % 4);
    this.#held = clean.slice(usable);
    const parts: Buffer[] = [];
    for (let start = 0; start < usable; ) {
      const padding = clean.indexOf('=', start);
      const end = padding < 0 || padding >= usable ? usable : padding - (padding % 4) + 4;
      parts.push(Buffer.from(clean.slice(start, end), 'base64'));
      start = end;
    }
    return Buffer.concat(parts);
  }
}

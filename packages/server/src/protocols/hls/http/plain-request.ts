/** What is read of a simple request. */
export interface PlainRequest {
  readonly method: 'GET' | 'HEAD';
  readonly url: string;
  readonly userAgent: string;
  readonly range: string | undefined;
  /** True when the client wants the connection to be ended after the answer (RFC 9112 §9.6). */
  readonly close: boolean;
}

/**
 * All of a request of HTTP/1.1 in its strict form (RFC 9112 §3, §5) that begins and ends with the text: whatever is spelled
 * in another way is not for us to interpret, since a proxy before us might take it for something else.
 */
const HEAD =
  /^(GET|HEAD) (\/[\x21\x22\x24-\x7e]*) HTTP\/1\.1\r\n((?:[!#$%&'*+\-.^_`|~\w]+:[\t\x20-\x7e\x80-\xff]*\r\n)+)\r\n$/;

/** Headers of requests that have a body or want more than an answer. */
const BEYOND: ReadonlySet<string> = new Set(['expect', 'upgrade', 'trailer', 'content-length', 'transfer-encoding']);
/** By their lengths, which is what most others differ in. */
const LENGTHS: ReadonlySet<number> = new Set([...BEYOND, 'host', 'range', 'user-agent'].map((name) => name.length));

/**
 * Reads a request of the kind that players send: GET or HEAD, without a body, all of it there and nothing behind it.
 * Undefined for any other, whether it is wrong, not complete or only uncommon.
 *
 * @param text the bytes that have come, one character for each
 */
export function parsePlainRequest(text: string): PlainRequest | undefined {
  const match = HEAD.exec(text);
  if (match === null) return undefined;
  const [, method, url = '', fields = ''] = match;
  let hosts = 0;
  let userAgent: string | undefined;
  let range: string | undefined;
  let close = false;
  for (let at = 0; at < fields.length; ) {
    const colon = fields.indexOf(':', at);
    const end = fields.indexOf('\r', colon);
    if (LENGTHS.has(colon - at)) {
      const name = fields.slice(at, colon).toLowerCase();
      if (BEYOND.has(name)) return undefined;
      if (name === 'host') hosts++;
      else if (name === 'user-agent') userAgent ??= fields.slice(colon + 1, end).trim();
      else if (name === 'range') range ??= fields.slice(colon + 1, end).trim();
      else if (name === 'connection') {
        const option = fields
          .slice(colon + 1, end)
          .trim()
          .toLowerCase();
        if (option !== 'close' && option !== 'keep-alive') return undefined;
        close ||= option === 'close';
      }
    }
    at = end + 2;
  }
  // RFC 9112 §3.2: without it, or with several, the request is wrong.
  if (hosts !== 1) return undefined;
  return { method: method === 'HEAD' ? 'HEAD' : 'GET', url, userAgent: userAgent ?? '', range, close };
}

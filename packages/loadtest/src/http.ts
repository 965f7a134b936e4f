import { Agent, type IncomingMessage, request } from 'node:http';
import { request as requestSecure, Agent as SecureAgent } from 'node:https';

export interface HttpRequest {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly insecure: boolean;
  readonly timeoutMs: number;
  /** Kept connections; a new one for this request alone by default. */
  readonly agent?: Agent | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface HttpReply {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly body: Buffer;
}

/** Bodies that are larger are no segment and no answer. */
const MAX_BODY_BYTES = 64 * 1024 * 1024;

/** Connections that are kept, at most so many at once. */
export function keepingAgent(url: string, options: { readonly maxSockets: number; readonly insecure: boolean }): Agent {
  const common = { keepAlive: true, maxSockets: options.maxSockets };
  if (!url.startsWith('https:')) return new Agent(common);
  return new SecureAgent({ ...common, rejectUnauthorized: !options.insecure });
}

/** One request with its whole answer. @throws Error of the network, or when it takes too long */
export function send(url: string, options: HttpRequest): Promise<HttpReply> {
  const { method = 'GET', headers = {}, body, insecure, timeoutMs, agent = false, signal } = options;
  const length = body === undefined ? {} : { 'content-length': String(Buffer.byteLength(body)) };
  const settings = { method, agent, headers: { ...headers, ...length }, rejectUnauthorized: !insecure };
  return new Promise((resolve, reject) => {
    const begin = url.startsWith('https:') ? requestSecure : request;
    const asked = begin(url, { ...settings, ...(signal === undefined ? {} : { signal }) }, (response) => {
      const pieces: Buffer[] = [];
      let bytes = 0;
      response.on('data', (piece: Buffer) => {
        pieces.push(piece);
        bytes += piece.length;
        if (bytes > MAX_BODY_BYTES) asked.destroy(new Error('the answer is too long'));
      });
      response.on('end', () => {
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(pieces, bytes) });
      });
      response.on('error', reject);
    });
    asked.setTimeout(timeoutMs, () => asked.destroy(new Error(`no answer within ${timeoutMs} ms`)));
    asked.on('error', reject);
    asked.end(body);
  });
}

import { isIP } from 'node:net';
import { Agent, buildConnector, request } from 'undici';
import type { OutboundAddresses } from '../../../core/index.ts';
import { RelayFailure } from './relay-failure.ts';
import { quoted } from './signalling.ts';

export interface PinnedHttpOptions {
  readonly outbound: OutboundAddresses;
  /** `whip` or `whep`: what the guard of connections is asked by, `s` added for TLS. */
  readonly scheme: 'whip' | 'whep';
  readonly tlsVerify: boolean;
  readonly maxBodyBytes: number;
  readonly timeoutMs: number;
}

export interface HttpRequest {
  readonly method: 'POST' | 'DELETE';
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly signal: AbortSignal;
}

export interface HttpReply {
  readonly status: number;
  readonly location: string | undefined;
  readonly contentType: string;
  readonly body: string;
  /** The address that was connected to. */
  readonly address: string;
}

/** Requests over connections to addresses that were found good, each on a connection of its own. */
export class PinnedHttp {
  readonly #options: PinnedHttpOptions;

  constructor(options: PinnedHttpOptions) {
    this.#options = options;
  }

  /** Follows no redirect. Rejects with a RelayFailure or an error of the guard. */
  async send(url: URL, { method, headers, body, signal }: HttpRequest): Promise<HttpReply> {
    const { outbound, scheme, timeoutMs } = this.#options;
    const secure = url.protocol === 'https:';
    const { address, host } = await outbound.resolve(`${scheme}${secure ? 's' : ''}://${url.host}`);
    const connect = buildConnector({ rejectUnauthorized: this.#options.tlsVerify, timeout: timeoutMs, allowH2: false });
    const servername = isIP(host) === 0 ? host : '';
    const agent = new Agent({
      connect: (options, callback) => connect({ ...options, hostname: address, servername }, callback),
      connections: 1,
      headersTimeout: timeoutMs,
      bodyTimeout: timeoutMs,
    });
    try {
      const reply = await request(url, { dispatcher: agent, method, headers, body: body ?? null, signal });
      const text = await this.#read(reply.body);
      return {
        status: reply.statusCode,
        location: single(reply.headers['location']),
        contentType: single(reply.headers['content-type']) ?? '',
        body: text,
        address,
      };
    } catch (error) {
      throw error instanceof RelayFailure
        ? error
        : new RelayFailure('unreachable', whyUnreachable(error), { cause: error });
    } finally {
      // Nothing is left to wait for, and a body that was too long would go on coming.
      await agent.destroy();
    }
  }

  async #read(body: AsyncIterable<Uint8Array>): Promise<string> {
    const { maxBodyBytes } = this.#options;
    const parts: Uint8Array[] = [];
    let bytes = 0;
    for await (const part of body) {
      bytes += part.length;
      if (bytes > maxBodyBytes) throw new RelayFailure('invalid', `the answer has more than ${maxBodyBytes} bytes`);
      parts.push(part);
    }
    return Buffer.concat(parts).toString('utf8');
  }
}

function single(header: string | string[] | undefined): string | undefined {
  return Array.isArray(header) ? header[0] : header;
}

function whyUnreachable(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  const text = quoted(String(message ?? error));
  if (code === 'UND_ERR_CONNECT_TIMEOUT' || code === 'UND_ERR_HEADERS_TIMEOUT' || code === 'UND_ERR_BODY_TIMEOUT')
    return 'the server did not answer in time';
  if (/CERT|SELF_SIGNED|ALTNAME/.test(code ?? '')) return `its certificate is not good (relay_tls_verify): ${text}`;
  // The text of OpenSSL is for those who work on it.
  if (/^(ERR_SSL|EPROTO)/.test(code ?? '')) return `the server does not speak TLS as it should (${code})`;
  return `the request failed: ${text}`;
}

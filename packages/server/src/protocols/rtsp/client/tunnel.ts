import { randomBytes } from 'node:crypto';
import type { Socket } from 'node:net';
import { RtspHeaders } from '../wire/headers.ts';
import { RtspReader, type RtspResponse } from '../wire/reader.ts';
import { writeRequest } from '../wire/writer.ts';
import { Authenticator } from './authenticator.ts';
import { type ByteLink, type ByteLinkEvents, openSocket, SocketLink, type SocketTarget } from './byte-link.ts';
import { RtspFailure, refusalOf } from './failure.ts';
import type { RtspCredentials } from './url.ts';

const TUNNEL_TYPE = 'application/x-rtsp-tunnelled';
/** A challenge, and a nonce that ran out. */
const MAX_TRIES = 3;
/** Length that the POST claims to have, as all clients do; servers take it as endless. */
const CLAIMED_LENGTH = 32_767;

export interface TunnelTarget extends SocketTarget {
  /** Path and query. */
  readonly path: string;
  readonly credentials: RtspCredentials | undefined;
  readonly userAgent: string;
}

/**
 * Opens a tunnel of RTSP over HTTP (QuickTime's "Tunnelling RTSP and RTP over HTTP"): what the server says comes as the
 * endless answer to a GET, what we say goes as base64 in the body of a POST; a cookie binds the two together.
 * Rejects with an `RtspFailure`, or a `ProtocolError` for what is no HTTP.
 */
export async function openTunnel(target: TunnelTarget, signal: AbortSignal, events: ByteLinkEvents): Promise<ByteLink> {
  const cookie = randomBytes(11).toString('hex');
  const authenticator = new Authenticator(target.credentials);
  const { socket, rest } = await openGet(target, signal, { cookie, authenticator });
  let post: Socket;
  try {
    post = await openSocket(target, signal);
  } catch (error) {
    socket.destroy();
    throw error;
  }
  post.write(headOf(target, { method: 'POST', cookie, authenticator }));
  const link = new TunnelLink(socket, post, target.remote, events);
  if (rest.length > 0) events.onData(rest);
  return link;
}

interface HalfOptions {
  readonly cookie: string;
  readonly authenticator: Authenticator;
}

/** The half that we read from, after its answer; `rest` has come behind that already. */
async function openGet(
  target: TunnelTarget,
  signal: AbortSignal,
  options: HalfOptions,
): Promise<{ socket: Socket; rest: Uint8Array }> {
  for (let tries = 0; tries < MAX_TRIES; tries++) {
    const socket = await openSocket(target, signal);
    try {
      socket.write(headOf(target, { method: 'GET', ...options }));
      const { response, rest } = await answerOf(socket, signal);
      if (response.status >= 200 && response.status < 300) return { socket, rest };
      const outcome =
        response.status === 401 ? options.authenticator.challenge(response.headers.all('WWW-Authenticate')) : undefined;
      if (outcome === 'no-credentials')
        throw new RtspFailure('refused', 'it wants a user name and password: put them into the address');
      if (outcome !== 'again') throw refusalOf('the GET of the tunnel', response);
    } catch (error) {
      socket.destroy();
      throw error;
    }
    socket.destroy();
  }
  throw new RtspFailure('refused', 'it refused the user name or password');
}

function headOf(target: TunnelTarget, half: HalfOptions & { readonly method: 'GET' | 'POST' }): Buffer {
  const { remote, path, userAgent } = target;
  const { method, cookie, authenticator } = half;
  const host = remote.host.includes(':') ? `[${remote.host}]` : remote.host;
  const post = method === 'POST';
  const headers = RtspHeaders.of({
    Host: `${host}:${remote.port}`,
    'x-sessioncookie': cookie,
    Accept: post ? undefined : TUNNEL_TYPE,
    'Content-Type': post ? TUNNEL_TYPE : undefined,
    'Content-Length': post ? CLAIMED_LENGTH : undefined,
    Pragma: 'no-cache',
    'Cache-Control': 'no-cache',
    Expires: post ? 'Sun, 9 Jan 1972 00:00:00 GMT' : undefined,
    'User-Agent': userAgent,
    Authorization: authenticator.authorization({ method, uri: path, body: '' }),
  });
  return writeRequest({ method, uri: path, version: 'HTTP/1.0', headers });
}

/** The answer's head, and what came behind it. */
function answerOf(socket: Socket, signal: AbortSignal): Promise<{ response: RtspResponse; rest: Uint8Array }> {
  const reader = new RtspReader();
  return new Promise((resolve, reject) => {
    let answer: RtspResponse | undefined;
    const onData = (bytes: Uint8Array): void => {
      try {
        reader.push(bytes, (event) => {
          if (event.type !== 'response') return;
          answer = event;
          reader.stop();
        });
      } catch (error) {
        return settle(() => reject(error));
      }
      const response = answer;
      if (response !== undefined) settle(() => resolve({ response, rest: reader.rest() }));
    };
    const onEnd = (): void => settle(() => reject(new RtspFailure('unreachable', 'it closed the tunnel')));
    const onAbort = (): void => settle(() => reject(new RtspFailure('closed', 'the attempt was given up')));
    const settle = (then: () => void): void => {
      socket.off('data', onData);
      socket.off('close', onEnd);
      signal.removeEventListener('abort', onAbort);
      socket.pause();
      then();
    };
    socket.on('data', onData);
    socket.on('close', onEnd);
    signal.addEventListener('abort', onAbort, { once: true });
  });
}

/** A link of two connections: one that is read, one that is written to. */
class TunnelLink implements ByteLink {
  readonly remote: ByteLink['remote'];
  readonly #get: SocketLink;
  readonly #post: SocketLink;
  #closed = false;

  constructor(get: Socket, post: Socket, remote: ByteLink['remote'], events: ByteLinkEvents) {
    this.remote = remote;
    const onClosed = (failure: RtspFailure): void => {
      if (this.#closed) return;
      this.destroy();
      events.onClosed(failure);
    };
    this.#get = new SocketLink(get, remote, { onData: (bytes) => events.onData(bytes), onClosed });
    this.#post = new SocketLink(post, remote, {
      onData: (bytes) => {
        // Some servers answer the POST at once; of that only a refusal matters.
        const status = /^HTTP\/1\.\d ([45]\d\d)/.exec(Buffer.from(bytes.subarray(0, 32)).toString('latin1'))?.[1];
        if (status !== undefined)
          onClosed(new RtspFailure('refused', `it answered the POST of the tunnel with ${status}`));
      },
      onClosed,
    });
    get.resume();
  }

  get bytesIn(): number {
    return this.#get.bytesIn;
  }

  get sentBytes(): number {
    return this.#post.sentBytes;
  }

  get queuedBytes(): number {
    return this.#post.queuedBytes;
  }

  write(bytes: Uint8Array): void {
    const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64');
    this.#post.write(Buffer.from(text, 'latin1'));
  }

  cork(): void {
    this.#post.cork();
  }

  uncork(): void {
    this.#post.uncork();
  }

  destroy(): void {
    this.#closed = true;
    this.#get.destroy();
    this.#post.destroy();
  }
}

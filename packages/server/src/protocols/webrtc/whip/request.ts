import type { IncomingMessage } from 'node:http';
import {
  type ClientIntroduction,
  isValidStreamName,
  readVideoForm,
  type StreamRequestFacts,
  type VideoForm,
} from '../../../core/index.ts';
import { connectionName, plainAddress } from '../../../io/index.ts';

/** At most this many parameters are read from a URL; the rest is left out. */
const MAX_PARAMETERS = 64;
const MAX_TOKEN_CHARACTERS = 8192;

/** WCS's application of clients that name none. */
const DEFAULT_APP = 'defaultApp';
const MAX_APP_KEY_CHARACTERS = 256;

/** Why a request is not answered as it wants; `message` says what to do. */
export interface Refusal {
  readonly status: number;
  readonly message: string;
}

/** The path of a request behind the prefix, still percent-encoded, and its query without the mark. */
export interface Target {
  readonly path: string;
  readonly query: string;
}

/** Splits a URL that begins with `prefix`. */
export function splitTarget(url: string, prefix: string): Target {
  const mark = url.indexOf('?');
  const path = mark < 0 ? url : url.slice(0, mark);
  return { path: path.slice(prefix.length), query: mark < 0 ? '' : url.slice(mark + 1) };
}

/** Id of the session that a path names: its last part. */
export function resourceIdOf({ path }: Target): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

/** The stream that a path names: all of it, percent-decoded, with the slashes inside. Total. */
export function streamNameOf({ path }: Target, prefix: string): string | Refusal {
  const encoded = path.replace(/\/$/, '');
  if (encoded === '') return { status: 404, message: `the address of a stream is ${prefix}NAME` };
  try {
    const name = decodeURIComponent(encoded);
    if (isValidStreamName(name)) return name;
    return { status: 400, message: 'a stream name has 1 to 1024 characters and no control characters' };
  } catch {
    return { status: 400, message: 'the percent-encoding of the stream name is broken' };
  }
}

/** Path of a session under its stream; slashes of the name stay as they are. */
export function resourcePath(prefix: string, streamName: string, id: string): string {
  return `${prefix}${streamName.split('/').map(encodeURIComponent).join('/')}/${id}`;
}

/** What the authoriser is to see: parameters of the URL, and a bearer token (RFC 6750 §2.1) as `token`. */
export function customOf({ query }: Target, request: IncomingMessage): Record<string, string> {
  const parameters = Object.fromEntries([...new URLSearchParams(query)].slice(0, MAX_PARAMETERS));
  const token = /^Bearer +(\S+) *$/i.exec(request.headers.authorization ?? '')?.[1];
  return token === undefined || token.length > MAX_TOKEN_CHARACTERS ? parameters : { ...parameters, token };
}

/** The name or address by which a client reaches this server, without port and brackets. */
export function hostOf({ headers, socket }: IncomingMessage): string {
  // Only what can be part of an address: it is told again, to this client and maybe to a cache.
  const [, name, address] =
    /^(?:([a-z\d.-]{1,253})|\[([a-f\d:.]{2,45})\])(?::\d{1,5})?$/i.exec(headers.host ?? '') ?? [];
  return name ?? address ?? plainAddress(socket.localAddress);
}

/** The application that a URL names with `appKey`. */
export function appKeyOf({ query }: Target): string {
  const key = new URLSearchParams(query).get('appKey') ?? '';
  return key === '' ? DEFAULT_APP : key.slice(0, MAX_APP_KEY_CHARACTERS);
}

/** True when a URL asks with `record=true` for what it publishes to be recorded. */
export function wantsRecording({ query }: Target): boolean {
  return new URLSearchParams(query).get('record') === 'true';
}

/** The form of the picture that a player asks for in its address: see {@link readVideoForm}. */
export function pictureOf({ query }: Target): VideoForm | undefined | Refusal {
  const form = readVideoForm(new URLSearchParams(query));
  return typeof form === 'string' ? { status: 400, message: form } : form;
}

/** What a request says of its client, but for how to end it. */
export function introductionOf(target: Target, request: IncomingMessage): Omit<ClientIntroduction, 'close'> {
  const { sessionId, remoteAddress } = endpointsOf(request);
  return {
    sessionId,
    appKey: appKeyOf(target),
    protocol: 'webrtc',
    remoteAddress,
    custom: customOf(target, request),
    fields: {
      mediaProviders: ['WebRTC'],
      clientBrowserVersion: request.headers['user-agent'] ?? '',
      origin: request.headers.origin ?? '',
      keepAlive: false,
      useWsTunnel: false,
      useWsTunnelPacketization2: false,
      useBase64BinaryEncoding: false,
      status: 'PENDING',
    },
  };
}

/** What is asked of the back end for an offer. */
export function factsOf(
  session: {
    readonly mediaSessionId: string;
    readonly streamName: string;
    readonly way: 'publish' | 'play';
    readonly record: boolean;
  },
  offer: string,
  custom: Readonly<Record<string, string>>,
): StreamRequestFacts {
  const { mediaSessionId, streamName, way, record } = session;
  return {
    mediaSessionId,
    name: streamName,
    mediaProvider: 'WebRTC',
    hasVideo: /^m=video /m.test(offer),
    hasAudio: /^m=audio /m.test(offer),
    custom,
    fields: { sdp: offer, published: way === 'publish', status: 'PENDING', record },
  };
}

/** True when the body is of that type, unpacked. */
export function hasBodyOf(request: IncomingMessage, type: string): boolean {
  const [sent = ''] = (request.headers['content-type'] ?? '').split(';', 1);
  const encoding = request.headers['content-encoding'] ?? 'identity';
  return sent.trim().toLowerCase() === type && encoding.toLowerCase() === 'identity';
}

/** True when `If-Match` names this entity tag or any (RFC 9110 §13.1.1; only strong tags match). */
export function matches(ifMatch: string, etag: string): boolean {
  return ifMatch.split(',').some((part) => part.trim() === etag || part.trim() === '*');
}

export interface BodyLimits {
  readonly maxBodyBytes: number;
  readonly bodyTimeoutMs: number;
  /** Gives up with 503 when it is aborted. */
  readonly signal: AbortSignal;
}

/** So many times the allowed size is read and thrown away, so that its sender gets to read the refusal. */
const DRAINED_TIMES = 16;

/** Reads a body as UTF-8. Gives a refusal when it is too large or late, and undefined when its sender is gone. */
export function readBody(request: IncomingMessage, limits: BodyLimits): Promise<string | Refusal | undefined> {
  const { maxBodyBytes, bodyTimeoutMs, signal } = limits;
  const tooLarge = { status: 413, message: `a body has at most ${maxBodyBytes} bytes` };
  const stops = { status: 503, message: 'the server stops' };
  const drainedBytes = maxBodyBytes * DRAINED_TIMES;
  if (signal.aborted) return Promise.resolve(stops);
  if (Number(request.headers['content-length'] ?? 0) > drainedBytes) return Promise.resolve(tooLarge);
  return new Promise((resolve) => {
    let chunks: Buffer[] = [];
    let bytes = 0;
    const finish = (result: string | Refusal | undefined): void => {
      clearTimeout(timer);
      request.off('data', onData).off('end', onEnd).off('close', onClose);
      signal.removeEventListener('abort', onAbort);
      resolve(result);
    };
    const onData = (chunk: Buffer): void => {
      bytes += chunk.length;
      if (bytes <= maxBodyBytes) chunks.push(chunk);
      else chunks = [];
      if (bytes > drainedBytes) finish(tooLarge);
    };
    const onEnd = (): void => finish(bytes > maxBodyBytes ? tooLarge : Buffer.concat(chunks).toString('utf8'));
    const onClose = (): void => finish(undefined);
    const onAbort = (): void => finish(stops);
    const late = { status: 408, message: `the body was not complete after ${bodyTimeoutMs} ms` };
    const timer = setTimeout(() => finish(late), bodyTimeoutMs);
    request.on('data', onData).on('end', onEnd).on('close', onClose);
    signal.addEventListener('abort', onAbort);
  });
}

/** Both ends of the connection that a request came on. */
export function endpointsOf({ socket }: IncomingMessage): {
  readonly sessionId: string;
  readonly remoteAddress: string;
  readonly localAddress: string;
} {
  const remoteAddress = plainAddress(socket.remoteAddress);
  const localAddress = plainAddress(socket.localAddress);
  return { sessionId: connectionName(socket), remoteAddress, localAddress };
}

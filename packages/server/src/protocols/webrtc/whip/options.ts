import { validateHeaderName, validateHeaderValue } from 'node:http';
import { MediaServerError } from '../../../core/index.ts';

/** A STUN or TURN server that clients are told to use. */
export interface IceServer {
  /** `stun:…`, `turn:…` or `turns:…`. */
  readonly url: string;
  readonly username?: string | undefined;
  readonly credential?: string | undefined;
}

/** Settings of WHIP or WHEP; resolved once by {@link resolveWhipOptions}. */
export interface WhipOptions {
  /** Sessions at a time, those that are being set up included; further ones get 503. Default 10000. */
  readonly maxSessions: number;
  /** Largest body that is read, bytes; larger ones get 413. Default 64 KiB. */
  readonly maxBodyBytes: number;
  /** A body that is not complete by then gets 408, milliseconds. Default 10000. */
  readonly bodyTimeoutMs: number;
  /** How long a player waits for a stream that is not live yet, milliseconds (`whep_play_wait`). Default 0. */
  readonly playWaitMs: number;
  /** Video orientation (CVO) may be negotiated. Default true. */
  readonly videoOrientation: boolean;
  /** Every stream that is published is recorded, unless its back end says no. Default false. */
  readonly recordPublished: boolean;
  /**
   * Told to clients in `Link` headers (RFC 9725 §4.6), for a client that reaches this server by that name or address.
   * Those that no header can hold are left out. Default none: clients reach the server as it is.
   */
  readonly iceServers: (host: string) => readonly IceServer[];
  /**
   * Headers of every answer, for pages of other origins; lists of methods and headers are completed with those that
   * WHIP needs. Default: any origin may publish and play.
   */
  readonly headers: readonly (readonly [name: string, value: string])[];
}

export const DEFAULT_WHIP_OPTIONS: WhipOptions = Object.freeze({
  maxSessions: 10_000,
  maxBodyBytes: 64 * 1024,
  bodyTimeoutMs: 10_000,
  playWaitMs: 0,
  videoOrientation: true,
  recordPublished: false,
  iceServers: () => [],
  headers: [['Access-Control-Allow-Origin', '*'] as const],
});

/**
 * Fills in the defaults.
 * @throws MediaServerError CONFIG_INVALID for a header that can't be sent
 */
export function resolveWhipOptions(options: Partial<WhipOptions>): WhipOptions {
  const resolved: WhipOptions = Object.freeze({ ...DEFAULT_WHIP_OPTIONS, ...options });
  for (const header of resolved.headers) checkHeader(...header);
  return resolved;
}

/** Values of the `Link` headers that name the ICE servers (RFC 9725 §4.6); all can be sent. */
export function linkHeaders(servers: readonly IceServer[]): string[] {
  const links = servers.map(({ url, username, credential }) => {
    const link = `<${url}>; rel="ice-server"`;
    if (username === undefined || credential === undefined) return link;
    return `${link}; username=${quoted(username)}; credential=${quoted(credential)}; credential-type="password"`;
  });
  return links.filter(isSendable);
}

function isSendable(value: string): boolean {
  try {
    validateHeaderValue('Link', value);
    return true;
  } catch {
    return false;
  }
}

function quoted(text: string): string {
  return `"${text.replaceAll(/["\\]/g, '\\$&')}"`;
}

function checkHeader(name: string, value: string): void {
  try {
    validateHeaderName(name);
    validateHeaderValue(name, value);
  } catch (cause) {
    throw new MediaServerError('CONFIG_INVALID', `"${name}: ${value}" is not a header`, { cause });
  }
}

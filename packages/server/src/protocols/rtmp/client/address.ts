import { MediaServerError } from '../../../core/index.ts';

/** What stands before the `@` of an address, decoded. */
export interface Credentials {
  readonly user: string;
  readonly password: string;
}

/** An address of RTMP: the server, and the path as it was written. */
export interface RtmpUrl {
  readonly secure: boolean;
  /** As in the address: IPv6 in brackets, the port if it was given. */
  readonly authority: string;
  readonly credentials: Credentials | undefined;
  /** Without the slash in front, with the query. */
  readonly path: string;
}

/** What is asked of a server: an application of it, and a stream there. */
export interface RtmpTarget {
  readonly server: Omit<RtmpUrl, 'path'>;
  /** With its query, if it has one. */
  readonly app: string;
  /** With its query, which is where many services have the secret part of a stream's key. */
  readonly streamName: string;
}

/** Ports of RTMP, and of RTMP inside TLS, where addresses have none. */
export const DEFAULT_PORTS = { plain: 1935, secure: 443 } as const;

const RTMP_URL = /^(rtmps?):\/\/(?:([^/?#]*)@)?(\[[0-9a-f:.]+\]|[^/?#@:[\]]+)((?::\d{1,5})?)(?:\/(.*))?$/is;
/** Kinds of files that some servers have in front of a path: the name of the stream begins there. */
const FILE_KIND = /(?:^|\/)(?=(?:mp4|flv|mp3|f4v):)/;

/**
 * Reads `rtmp(s)://[user:password@]host[:port]/path`. The path stays as it is: keys of streams are not to be decoded.
 * @throws MediaServerError URL_INVALID
 */
export function parseRtmpUrl(url: string): RtmpUrl {
  const [, scheme, login, host = '', port = '', path = ''] = RTMP_URL.exec(url) ?? [];
  if (scheme === undefined) throw invalid('an address of RTMP is rtmp://host/application/stream');
  if (port !== '' && !(Number(port.slice(1)) > 0 && Number(port.slice(1)) < 65536)) throw invalid('no such port');
  return {
    secure: scheme.toLowerCase() === 'rtmps',
    authority: `${host}${port}`,
    credentials: login === undefined ? undefined : credentialsOf(login),
    path: path.replace(/^\/+/, ''),
  };
}

/**
 * The address is that of an application, whatever its levels; `streamName` is a stream there.
 * @throws MediaServerError URL_INVALID
 */
export function streamIn(url: RtmpUrl, streamName: string): RtmpTarget {
  const { path, ...server } = url;
  const { levels, query } = splitQuery(path);
  const app = levels.replace(/\/+$/, '');
  if (app === '') throw invalid('the address has no application: rtmp://host/application');
  return { server, app: app + query, streamName };
}

/**
 * The address is complete: what stands after its last slash is the stream, with the query, the rest is the application.
 * @throws MediaServerError URL_INVALID
 */
export function streamOf(url: RtmpUrl): RtmpTarget {
  const { path, ...server } = url;
  const { levels, query } = splitQuery(path);
  const file = FILE_KIND.exec(levels);
  const at = file === null ? levels.lastIndexOf('/') : file.index;
  const app = levels.slice(0, Math.max(0, at)).replace(/\/+$/, '');
  const name = levels.slice(at).replace(/^\/+/, '');
  if (app === '' || name === '')
    throw invalid('the address has no application and stream: rtmp://host/application/stream');
  return { server, app, streamName: name + query };
}

/** The address of the application, as `connect` tells it: without credentials. `app` may have more than the target's. */
export function tcUrlOf({ server }: RtmpTarget, app: string): string {
  return `${server.secure ? 'rtmps' : 'rtmp'}://${server.authority}/${app}`;
}

/** The same stream at another address of an application, where a server has sent us. @throws MediaServerError URL_INVALID */
export function movedTo(tcUrl: string, target: RtmpTarget): RtmpTarget {
  const url = parseRtmpUrl(tcUrl);
  const { path, ...server } = url;
  // Where it says nothing of the application, that stays.
  const app = path === '' ? target.app : streamIn(url, '').app;
  // Credentials are for the server that they were given for.
  const same = server.authority === target.server.authority;
  return {
    server: { ...server, credentials: same ? target.server.credentials : undefined },
    app,
    streamName: target.streamName,
  };
}

function splitQuery(path: string): { readonly levels: string; readonly query: string } {
  const mark = path.indexOf('?');
  return mark < 0 ? { levels: path, query: '' } : { levels: path.slice(0, mark), query: path.slice(mark) };
}

function credentialsOf(login: string): Credentials {
  const colon = login.indexOf(':');
  const user = colon < 0 ? login : login.slice(0, colon);
  return { user: decoded(user), password: colon < 0 ? '' : decoded(login.slice(colon + 1)) };
}

/** What can't be decoded was not encoded. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function invalid(message: string): MediaServerError {
  return new MediaServerError('URL_INVALID', message);
}

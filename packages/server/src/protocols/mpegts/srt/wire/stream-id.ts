import { ProtocolError } from '@sluice/media';

/** What a caller wants. */
export interface SrtRequest {
  readonly mode: 'publish' | 'play';
  readonly streamName: string;
  /** Further keys; `u` (user) and `s` (session) of the standard form too, by these names. */
  readonly parameters: Readonly<Record<string, string>>;
}

/** Keys that are read, at most; the stream id has 512 bytes. */
const MAX_PARAMETERS = 64;

const ADDRESS = /^[a-z][a-z0-9+.-]*:\/\//i;

const MODES: ReadonlyMap<string, SrtRequest['mode']> = new Map([
  ['publish', 'publish'],
  ['read', 'play'],
  ['play', 'play'],
  ['request', 'play'],
]);

/**
 * Reads a stream id: `publish:NAME`, `read:NAME` (also `request:` and `play:`), each with `?key=value&…` after the name
 * if need be, or the standard form `#!::r=NAME,m=publish,key=value` (draft-sharabayko-srt-01, appendix B), whose mode is
 * `request` unless it says another.
 * @throws ProtocolError SRT_BAD_STREAM_ID
 */
export function readRequest(streamId: string): SrtRequest {
  if (streamId.startsWith('#!::')) return readStandard(streamId.slice(4));
  const colon = streamId.indexOf(':');
  const mode = MODES.get(streamId.slice(0, Math.max(colon, 0)));
  if (mode === undefined) throw badStreamId('is neither publish:NAME nor read:NAME');
  const rest = streamId.slice(colon + 1);
  // What is behind the question mark of an address (`rtsp://…`) belongs to it.
  const query = ADDRESS.test(rest) ? -1 : rest.indexOf('?');
  const streamName = query < 0 ? rest : rest.slice(0, query);
  return checked({ mode, streamName, parameters: query < 0 ? {} : readQuery(rest.slice(query + 1)) });
}

function readStandard(text: string): SrtRequest {
  const keys = new Map<string, string>();
  for (const part of text.split(',').slice(0, MAX_PARAMETERS)) {
    const equals = part.indexOf('=');
    if (equals > 0) keys.set(part.slice(0, equals).trim(), part.slice(equals + 1));
  }
  const mode = MODES.get(keys.get('m') ?? 'request');
  if (mode === undefined) throw badStreamId('has a mode (m=) that is neither publish nor request');
  const streamName = keys.get('r') ?? '';
  for (const known of ['m', 'r']) keys.delete(known);
  return checked({ mode, streamName, parameters: Object.fromEntries(keys) });
}

function readQuery(query: string): Record<string, string> {
  const entries = [...new URLSearchParams(query)].slice(0, MAX_PARAMETERS);
  return Object.fromEntries(entries.filter(([name]) => name !== ''));
}

function checked(request: SrtRequest): SrtRequest {
  if (request.streamName === '') throw badStreamId('names no stream');
  return request;
}

function badStreamId(what: string): ProtocolError {
  return new ProtocolError('SRT_BAD_STREAM_ID', `the stream id ${what}`);
}

import { MediaServerError } from '../../../core/index.ts';
import { isUsable } from './passphrase.ts';

const MAX_STREAM_ID_BYTES = 512;
const MAX_LATENCY_MS = 30_000;

/** What an address `srt://host:port?…` says. */
export interface SrtAddress {
  readonly streamId: string | undefined;
  readonly passphrase: string | undefined;
  /** Undefined: that of the settings. */
  readonly latencyMs: number | undefined;
}

/**
 * Reads an address to call by SRT: `srt://host:port?streamid=…&passphrase=…&latency=…` (milliseconds). Stream ids may
 * stand as they are (`#!::r=NAME,m=publish`) or percent-encoded. Unknown parameters are passed over.
 * @throws MediaServerError URL_INVALID
 */
export function readSrtAddress(url: string): SrtAddress {
  const match = /^srt:\/\/(\[[0-9a-f:.%]+\]|[^/?#:@[\]]+):(\d{1,5})(?:\/[^?#]*)?(?:\?(.*))?$/is.exec(url);
  const port = Number(match?.[2] ?? 0);
  if (match === null || port < 1 || port > 65_535)
    throw invalid('an SRT address has the form srt://host:port?streamid=…&passphrase=…&latency=…');
  const parameters = readParameters(match[3] ?? '');
  checkMode(parameters.get('mode') ?? 'caller');
  const streamId = parameters.get('streamid');
  if (streamId !== undefined && (Buffer.byteLength(streamId) > MAX_STREAM_ID_BYTES || streamId.includes('\0')))
    throw invalid(`a stream id of SRT has ${MAX_STREAM_ID_BYTES} bytes at most`);
  const passphrase = parameters.get('passphrase');
  if (passphrase !== undefined && !isUsable(passphrase)) throw invalid('a passphrase of SRT has 10 to 79 characters');
  return { streamId, passphrase, latencyMs: latencyOf(parameters.get('latency')) };
}

function checkMode(mode: string): void {
  if (mode === 'caller') return;
  const instead =
    mode === 'listener' ? ': to be called, open a port with /mpegts/startup, or use the port srt.port' : '';
  throw invalid(`SRT addresses are called, mode=${mode.slice(0, 20)} is not possible${instead}`);
}

/** By hand: a stream id often has `#` and `=`, and a plus is a plus. */
function readParameters(query: string): Map<string, string> {
  const parameters = new Map<string, string>();
  for (const part of query.split('&')) {
    const equals = part.indexOf('=');
    if (equals <= 0) continue;
    const value = decoded(part.slice(equals + 1));
    if (value !== '') parameters.set(part.slice(0, equals).toLowerCase(), value);
  }
  return parameters;
}

function decoded(value: string): string {
  try {
    return decodeURIComponent(value);
  } catch {
    return value;
  }
}

function latencyOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const latencyMs = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
  if (latencyMs <= MAX_LATENCY_MS) return latencyMs;
  throw invalid(`the latency of an SRT address is in milliseconds, ${MAX_LATENCY_MS} at most`);
}

function invalid(message: string): MediaServerError {
  return new MediaServerError('URL_INVALID', message);
}

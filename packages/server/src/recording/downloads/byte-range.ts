import type { IncomingHttpHeaders } from 'node:http';

/** A range of bytes, both ends included. */
export interface ByteRange {
  readonly first: number;
  readonly last: number;
}

/** What a client may know of a file. */
export interface Validators {
  /** A strong entity tag, with its quotes. */
  readonly etag: string;
  readonly modifiedMs: number;
}

/**
 * Reads a `Range` header with one range (RFC 9110 §14.1.2). Undefined when the whole body is to be sent: without a
 * header, with several ranges (a server may, §14.2) or with a unit other than bytes.
 */
export function parseRange(header: string | undefined, size: number): ByteRange | 'unsatisfiable' | undefined {
  const match = /^bytes=\s*(\d{0,15})-(\d{0,15})\s*$/i.exec(header ?? '');
  if (match === null) return undefined;
  const [, from = '', to = ''] = match;
  if (from === '' && to === '') return undefined;
  if (from === '') {
    const length = Math.min(Number(to), size);
    return length === 0 ? 'unsatisfiable' : { first: size - length, last: size - 1 };
  }
  const first = Number(from);
  if (to !== '' && Number(to) < first) return undefined;
  return first >= size ? 'unsatisfiable' : { first, last: Math.min(to === '' ? size : Number(to), size - 1) };
}

/**
 * The status that the conditions of a request call for (RFC 9110 §13.2.2): 304 when the client has it already, 412 when
 * it is not what the client means; undefined when it is to be sent.
 */
export function preconditionStatus(headers: IncomingHttpHeaders, file: Validators): 304 | 412 | undefined {
  const seconds = Math.floor(file.modifiedMs / 1000) * 1000;
  const ifMatch = headers['if-match'];
  const unmodifiedSince = headers['if-unmodified-since'];
  if (ifMatch !== undefined) {
    if (!lists(ifMatch, file.etag, false)) return 412;
  } else if (unmodifiedSince !== undefined && seconds > Date.parse(unmodifiedSince)) return 412;
  const ifNoneMatch = headers['if-none-match'];
  if (ifNoneMatch !== undefined) return lists(ifNoneMatch, file.etag, true) ? 304 : undefined;
  const modifiedSince = headers['if-modified-since'];
  return modifiedSince !== undefined && seconds <= Date.parse(modifiedSince) ? 304 : undefined;
}

/** True when the range of a request is of this very file (RFC 9110 §13.1.5). */
export function rangeApplies(ifRange: string | undefined, file: Validators): boolean {
  if (ifRange === undefined) return true;
  if (/^(W\/)?"/.test(ifRange)) return ifRange === file.etag;
  return Date.parse(ifRange) === Math.floor(file.modifiedMs / 1000) * 1000;
}

function lists(header: string, etag: string, weak: boolean): boolean {
  if (header.trim() === '*') return true;
  return header.split(',').some((one) => (weak ? one.trim().replace(/^W\//, '') : one.trim()) === etag);
}

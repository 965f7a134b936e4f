import { STATUS_CODES } from 'node:http';
import type { HeaderList } from './exchange.ts';

/** A connection is kept for so long without a request, as clients are told. */
export const KEEP_ALIVE_SECONDS = 30;

let dateSecond = 0;
let date = '';

/** The time by the second: what is written in it has the same date. */
export function currentSecond(): number {
  return Math.floor(Date.now() / 1000);
}

/** RFC 9110 §6.6.1; written once a second. */
function dateLine(): string {
  const second = currentSecond();
  if (second !== dateSecond) {
    dateSecond = second;
    date = `Date: ${new Date(second * 1000).toUTCString()}\r\n`;
  }
  return date;
}

function statusLine(status: number): string {
  return `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\n`;
}

/**
 * The head of an HTTP/1.1 answer as text of one byte a character (RFC 9112 §4, §5), with the date and what is to become of the
 * connection where the headers do not tell these themselves.
 */
export function responseHead(status: number, headers: HeaderList, close: boolean): string {
  const { entries } = headers;
  let text = statusLine(status);
  for (let i = 0; i < entries.length; i += 2) text += `${entries[i]}: ${entries[i + 1]}\r\n`;
  if (!headers.has('Date')) text += dateLine();
  if (headers.has('Connection')) return `${text}\r\n`;
  if (close) return `${text}Connection: close\r\n\r\n`;
  const kept = headers.has('Keep-Alive') ? '' : `Keep-Alive: timeout=${KEEP_ALIVE_SECONDS}\r\n`;
  return `${text}Connection: keep-alive\r\n${kept}\r\n`;
}

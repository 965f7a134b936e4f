import { parameterOf, splitUnquoted } from './quoted.ts';

/** A `Session` header (RFC 2326 §12.37). */
export interface RtspSessionHeader {
  readonly id: string;
  /** Undefined when the server did not tell: then it is 60. */
  readonly timeoutSeconds: number | undefined;
}

/** Reads a session; undefined when it has no id. */
export function parseSession(value: string): RtspSessionHeader | undefined {
  const [id, ...parts] = splitUnquoted(value, ';');
  if (id === undefined) return undefined;
  const timeout = parts.map(parameterOf).find(([name]) => name === 'timeout')?.[1];
  const readable = timeout !== undefined && /^\d{1,6}$/.test(timeout);
  return { id, timeoutSeconds: readable ? Number(timeout) : undefined };
}

/** A session as header; the timeout is left out when it is undefined. */
export function writeSession(session: RtspSessionHeader): string {
  return session.timeoutSeconds === undefined ? session.id : `${session.id};timeout=${session.timeoutSeconds}`;
}

/** A range of normal play time (RFC 2326 §3.6), seconds. */
export interface NptRange {
  /** `now` is where a live stream is; undefined in a range that has only an end. */
  readonly start: number | 'now' | undefined;
  /** Undefined when the range is open. */
  readonly end: number | undefined;
}

/** Reads `npt=...`; undefined for other units and what can not be read. */
export function parseRange(value: string): NptRange | undefined {
  const match = /^\s*npt\s*=\s*([^-;\s]*)\s*-?\s*([^-;\s]*)/i.exec(value);
  if (match === null) return undefined;
  const [, from = '', to = ''] = match;
  const start = from.toLowerCase() === 'now' ? 'now' : secondsOf(from);
  const end = secondsOf(to);
  if (start === undefined && end === undefined) return undefined;
  return { start, end };
}

/** A range as header. */
export function writeRange(range: NptRange): string {
  return `npt=${secondsText(range.start)}-${secondsText(range.end)}`;
}

/** Where a track's media begins, in answer to PLAY (RFC 2326 §12.33). */
export interface RtpInfo {
  readonly url: string;
  /** Sequence number of the first packet. */
  readonly sequence?: number | undefined;
  /** RTP time that belongs to the start of the range. */
  readonly rtpTime?: number | undefined;
}

/** Reads what a server tells of its tracks; undefined members were not told or can not be read. */
export function parseRtpInfo(value: string): RtpInfo[] {
  return splitUnquoted(value, ',')
    .slice(0, 16)
    .map((entry) => {
      const parameters = new Map(splitUnquoted(entry, ';').map(parameterOf));
      return {
        url: parameters.get('url') ?? '',
        sequence: unsigned(parameters.get('seq'), 0xffff),
        rtpTime: unsigned(parameters.get('rtptime'), 0xffff_ffff),
      };
    });
}

/** The header of several tracks. */
export function writeRtpInfo(tracks: readonly RtpInfo[]): string {
  return tracks
    .map(({ url, sequence, rtpTime }) => {
      const parts = [`url=${url}`];
      if (sequence !== undefined) parts.push(`seq=${sequence}`);
      if (rtpTime !== undefined) parts.push(`rtptime=${rtpTime}`);
      return parts.join(';');
    })
    .join(',');
}

/** Seconds, or hours, minutes and seconds. */
function secondsOf(text: string): number | undefined {
  const match = /^(?:(\d{1,6}):(\d{1,2}):)?(\d{1,12}(?:\.\d{0,9})?)$/.exec(text);
  if (match === null) return undefined;
  const [, hours = '0', minutes = '0', seconds = '0'] = match;
  return Number(hours) * 3600 + Number(minutes) * 60 + Number(seconds);
}

function secondsText(value: number | 'now' | undefined): string {
  if (value === undefined) return '';
  return value === 'now' ? 'now' : value.toFixed(3);
}

function unsigned(text: string | undefined, most: number): number | undefined {
  const value = text !== undefined && /^\d{1,10}$/.test(text) ? Number(text) : Number.NaN;
  return value <= most ? value : undefined;
}

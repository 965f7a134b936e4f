import { parameterOf, quote, splitUnquoted } from './quoted.ts';

/** Two numbers that belong together: RTP and RTCP, as ports or as channels. */
export type NumberPair = readonly [rtp: number, rtcp: number];

/** One way to carry media, as a `Transport` header offers or confirms it (RFC 2326 §12.39). */
export interface RtspTransport {
  /** Such as `RTP/AVP`. */
  readonly profile: string;
  readonly lower: 'TCP' | 'UDP';
  /** Undefined when the peer left it open, which all take as unicast. */
  readonly delivery?: 'unicast' | 'multicast';
  readonly destination?: string;
  readonly source?: string;
  readonly layers?: number;
  /** In lower case; `receive`, as old clients say for `record`, is kept as it is. */
  readonly mode?: string;
  readonly append?: boolean;
  /** Channels of interleaved frames. */
  readonly interleaved?: NumberPair;
  readonly ttl?: number;
  /** Ports of multicast. */
  readonly port?: NumberPair;
  readonly clientPort?: NumberPair;
  readonly serverPort?: NumberPair;
  readonly ssrc?: number;
}

type Fields = { -readonly [K in keyof RtspTransport]: RtspTransport[K] };

/** More than this many alternatives are not looked at. */
const MAX_ALTERNATIVES = 16;

/** The alternatives of a header, best first. What can not be read is left out: an unknown profile is not. */
export function parseTransports(value: string): RtspTransport[] {
  const found: RtspTransport[] = [];
  for (const alternative of splitUnquoted(value, ',').slice(0, MAX_ALTERNATIVES)) {
    const transport = parseTransport(alternative);
    if (transport !== undefined) found.push(transport);
  }
  return found;
}

/** One alternative as it stands in a header. */
export function writeTransport(transport: RtspTransport): string {
  const parts = [transport.lower === 'TCP' ? `${transport.profile}/TCP` : transport.profile];
  if (transport.delivery !== undefined) parts.push(transport.delivery);
  if (transport.destination !== undefined) parts.push(`destination=${transport.destination}`);
  if (transport.source !== undefined) parts.push(`source=${transport.source}`);
  if (transport.interleaved !== undefined) parts.push(`interleaved=${pair(transport.interleaved)}`);
  if (transport.append === true) parts.push('append');
  if (transport.ttl !== undefined) parts.push(`ttl=${transport.ttl}`);
  if (transport.layers !== undefined) parts.push(`layers=${transport.layers}`);
  if (transport.port !== undefined) parts.push(`port=${pair(transport.port)}`);
  if (transport.clientPort !== undefined) parts.push(`client_port=${pair(transport.clientPort)}`);
  if (transport.serverPort !== undefined) parts.push(`server_port=${pair(transport.serverPort)}`);
  if (transport.ssrc !== undefined) parts.push(`ssrc=${transport.ssrc.toString(16).toUpperCase().padStart(8, '0')}`);
  if (transport.mode !== undefined) parts.push(`mode=${quote(transport.mode.toUpperCase())}`);
  return parts.join(';');
}

function parseTransport(text: string): RtspTransport | undefined {
  const [specification = '', ...parts] = splitUnquoted(text, ';');
  const match = /^([A-Za-z]+\/[A-Za-z]+)(?:\/(TCP|UDP))?$/i.exec(specification);
  if (match === null) return undefined;
  const [, profile = '', lower = 'UDP'] = match;
  const fields: Fields = {
    profile: profile.toUpperCase(),
    lower: lower.toUpperCase() === 'TCP' ? 'TCP' : 'UDP',
  };
  for (const part of parts) apply(fields, ...parameterOf(part));
  return fields;
}

function apply(fields: Fields, name: string, value: string | undefined): void {
  if (value === undefined) {
    if (name === 'unicast' || name === 'multicast') fields.delivery = name;
    else if (name === 'append') fields.append = true;
    return;
  }
  switch (name) {
    case 'destination':
      return set(fields, 'destination', value.slice(0, 255));
    case 'source':
      return set(fields, 'source', value.slice(0, 255));
    case 'mode':
      return set(fields, 'mode', value.toLowerCase().slice(0, 32));
    case 'layers':
      return set(fields, 'layers', numberOf(value, 0xff));
    case 'ttl':
      return set(fields, 'ttl', numberOf(value, 0xff));
    case 'interleaved':
      return set(fields, 'interleaved', pairOf(value, 0xff));
    case 'port':
      return set(fields, 'port', pairOf(value, 0xffff));
    case 'client_port':
      return set(fields, 'clientPort', pairOf(value, 0xffff));
    case 'server_port':
      return set(fields, 'serverPort', pairOf(value, 0xffff));
    case 'ssrc':
      return set(fields, 'ssrc', /^[0-9a-f]{1,8}$/i.test(value) ? Number.parseInt(value, 16) : undefined);
    default:
  }
}

function set<K extends keyof Fields>(fields: Fields, name: K, value: Fields[K] | undefined): void {
  if (value !== undefined) fields[name] = value;
}

function numberOf(value: string, most: number): number | undefined {
  const number = /^\d{1,6}$/.test(value.trim()) ? Number(value) : Number.NaN;
  return number <= most ? number : undefined;
}

/** RFC 2326 allows one number alone, whose neighbour then carries RTCP. */
function pairOf(value: string, most: number): NumberPair | undefined {
  const [first = '', second] = value.split('-');
  const rtp = numberOf(first, most);
  const rtcp = second === undefined ? (rtp ?? most) + 1 : numberOf(second, most);
  return rtp === undefined || rtcp === undefined || rtcp > most ? undefined : [rtp, rtcp];
}

function pair(value: NumberPair): string {
  return `${value[0]}-${value[1]}`;
}

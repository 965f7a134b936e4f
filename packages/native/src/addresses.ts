import { isIP, isIPv4 } from 'node:net';
import { networkInterfaces } from 'node:os';

/**
 * An address in 16 bytes, IPv4 mapped into IPv6, and its port in two. Of a link-local address, bits 16 to 47, which are
 * always 0 (RFC 4291 §2.5.6), hold the system's number of the interface that it is of.
 */
export const ADDRESS_BYTES = 18;

const MAPPED_AT = 10;

/**
 * Writes an address. Allocates for IPv6 only.
 * @throws RangeError for what is not a numeric address with a port
 */
export function writeAddress(target: Uint8Array, at: number, address: string, port: number): void {
  if (isIP(address) === 0 || !Number.isInteger(port) || port < 1 || port > 65_535)
    throw new RangeError(`${address} port ${port} is no address`);
  target.fill(0, at, at + 16);
  if (isIPv4(address)) {
    target[at + MAPPED_AT] = 0xff;
    target[at + MAPPED_AT + 1] = 0xff;
    writeIpv4(target, at + 12, address);
  } else writeIpv6(target, at, address);
  target[at + 16] = port >> 8;
  target[at + 17] = port;
}

/**
 * The IPv6 address that is there, as Node writes it: the first longest run of zeros is left out (RFC 5952 §4.2). The
 * interface of one that is link-local is told by its number: `fe80::1%2` (RFC 4007 §11).
 */
export function formatAddress(bytes: Uint8Array, at: number): string {
  const groups = Array.from({ length: 8 }, (_, i) => ((bytes[at + 2 * i] ?? 0) << 8) | (bytes[at + 2 * i + 1] ?? 0));
  const zone = isLinkLocal(bytes, at) ? groups.splice(1, 2, 0, 0) : [];
  const [high = 0, low = 0] = zone;
  const number = high * 0x10000 + low;
  const suffix = number === 0 ? '' : `%${number}`;
  let start = -1;
  let longest = 1;
  for (let from = 0; from < 8; from++) {
    let to = from;
    while (to < 8 && groups[to] === 0) to++;
    if (to - from <= longest) continue;
    longest = to - from;
    start = from;
  }
  const text = (part: readonly number[]): string => part.map((group) => group.toString(16)).join(':');
  if (start < 0) return text(groups) + suffix;
  return `${text(groups.slice(0, start))}::${text(groups.slice(start + longest))}${suffix}`;
}

/** Of `fe80::/10`. */
function isLinkLocal(bytes: Uint8Array, at: number): boolean {
  return bytes[at] === 0xfe && ((bytes[at + 1] ?? 0) & 0xc0) === 0x80;
}

/** The system's number of an interface; 0 for one that it has not. */
function interfaceNumber(zone: string): number {
  if (/^\d{1,9}$/.test(zone)) return Number(zone);
  for (const { family, scopeid } of networkInterfaces()[zone] ?? [])
    if (family === 'IPv6' && scopeid !== undefined && scopeid > 0) return scopeid;
  return 0;
}

/** The same with the interface by its name, as Node tells who sent a datagram. */
export function withInterfaceName(address: string): string {
  const [bare = '', zone] = address.split('%', 2);
  if (zone === undefined) return address;
  const number = interfaceNumber(zone);
  for (const [name, addresses = []] of Object.entries(networkInterfaces()))
    if (addresses.some(({ family, scopeid }) => family === 'IPv6' && scopeid === number)) return `${bare}%${name}`;
  return address;
}

function writeIpv4(target: Uint8Array, at: number, address: string): void {
  let value = 0;
  let place = at;
  for (let i = 0; i < address.length; i++) {
    const code = address.charCodeAt(i);
    if (code === 46) {
      target[place++] = value;
      value = 0;
    } else value = value * 10 + code - 48;
  }
  target[place] = value;
}

function writeIpv6(target: Uint8Array, at: number, address: string): void {
  const [bare = '', zone] = address.split('%', 2);
  const [head = '', tail] = bare.split('::');
  const front = groupsOf(head);
  const back = tail === undefined ? [] : groupsOf(tail);
  for (const [i, group] of front.entries()) writeGroup(target, at + 2 * i, group);
  for (const [i, group] of back.entries()) writeGroup(target, at + 16 - 2 * (back.length - i), group);
  if (zone === undefined || !isLinkLocal(target, at)) return;
  const number = interfaceNumber(zone);
  writeGroup(target, at + 2, number >>> 16);
  writeGroup(target, at + 4, number & 0xffff);
}

/** Groups of 16 bits; the last two can be written as IPv4. */
function groupsOf(text: string): number[] {
  if (text === '') return [];
  return text.split(':').flatMap((group) => {
    if (!group.includes('.')) return [Number.parseInt(group, 16)];
    const [a = 0, b = 0, c = 0, d = 0] = group.split('.').map(Number);
    return [(a << 8) | b, (c << 8) | d];
  });
}

function writeGroup(target: Uint8Array, at: number, group: number): void {
  target[at] = group >> 8;
  target[at + 1] = group;
}

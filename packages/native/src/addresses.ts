import { isIP, isIPv4 } from 'node:net';

/** An address in 16 bytes, IPv4 mapped into IPv6, and its port in two. */
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

/** The IPv6 address that is there, as Node writes it: the first longest run of zeros is left out (RFC 5952 §4.2). */
export function formatAddress(bytes: Uint8Array, at: number): string {
  const groups = Array.from({ length: 8 }, (_, i) => ((bytes[at + 2 * i] ?? 0) << 8) | (bytes[at + 2 * i + 1] ?? 0));
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
  return start < 0 ? text(groups) : `${text(groups.slice(0, start))}::${text(groups.slice(start + longest))}`;
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
  const bare = address.split('%', 1)[0] ?? '';
  const [head = '', tail] = bare.split('::');
  const front = groupsOf(head);
  const back = tail === undefined ? [] : groupsOf(tail);
  for (const [i, group] of front.entries()) writeGroup(target, at + 2 * i, group);
  for (const [i, group] of back.entries()) writeGroup(target, at + 16 - 2 * (back.length - i), group);
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

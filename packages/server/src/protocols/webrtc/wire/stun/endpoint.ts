/** An IP address in text, without zone, and a port. */
export interface Endpoint {
  readonly address: string;
  readonly port: number;
}

/**
 * The 4 or 16 bytes of an IP address.
 * @throws RangeError for a text that is no IP address: a mistake of the caller, who has it from a socket
 */
export function ipToBytes(address: string): Buffer {
  const bytes = address.includes(':') ? ipv6ToBytes(address) : ipv4ToBytes(address);
  if (bytes === undefined) throw new RangeError(`no IP address: ${address}`);
  return bytes;
}

/** The text of an address of 4 or 16 bytes: IPv6 in eight groups, none left out. */
export function bytesToIp(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join('.');
  const groups: string[] = [];
  for (let i = 0; i < 16; i += 2) groups.push((((bytes[i] ?? 0) << 8) | (bytes[i + 1] ?? 0)).toString(16));
  return groups.join(':');
}

function ipv4ToBytes(address: string): Buffer | undefined {
  const parts = address.split('.');
  if (parts.length !== 4 || !parts.every((part) => /^\d{1,3}$/.test(part) && Number(part) < 256)) return undefined;
  return Buffer.from(parts.map(Number));
}

function ipv6ToBytes(address: string): Buffer | undefined {
  const text = address.replace(/%.*$/, '');
  // The last 32 bits may stand as IPv4 (RFC 4291 §2.2).
  const dotted = /^(.*:)(\d+\.\d+\.\d+\.\d+)$/.exec(text);
  if (dotted !== null) {
    const tail = ipv4ToBytes(dotted[2] ?? '')?.toString('hex');
    if (tail === undefined) return undefined;
    return ipv6ToBytes(`${dotted[1]}${tail.slice(0, 4)}:${tail.slice(4)}`);
  }
  const [head = '', tail, ...rest] = text.split('::');
  const before = head === '' ? [] : head.split(':');
  const after = tail === undefined || tail === '' ? [] : tail.split(':');
  const missing = 8 - before.length - after.length;
  if (rest.length > 0 || (tail === undefined ? missing !== 0 : missing < 1)) return undefined;
  const groups = [...before, ...Array<string>(tail === undefined ? 0 : missing).fill('0'), ...after];
  if (!groups.every((group) => /^[0-9a-f]{1,4}$/i.test(group))) return undefined;
  return Buffer.from(groups.map((group) => group.padStart(4, '0')).join(''), 'hex');
}

import { isIP } from 'node:net';
import { type NetworkInterfaceInfo, networkInterfaces } from 'node:os';
import { writeIceCandidate } from '@sluice/media';

export type IpFamily = 'IPv4' | 'IPv6';

export interface CandidateOptions {
  readonly port: number;
  /** Families that a socket is open for. */
  readonly families: readonly IpFamily[];
  /** The only address that is listened on, if it is one. */
  readonly bindAddress?: string | undefined;
  /** To offer instead of what the interfaces have. */
  readonly advertisedAddresses: readonly string[];
  readonly offerLoopback: boolean;
  /** An address that the client has reached this machine by: offered first, unless addresses are advertised. */
  readonly reachedAt?: string | undefined;
}

const MAX_CANDIDATES = 16;
const HOST_PREFERENCE = 126;
/** What browsers use for TCP, and the preference of a passive candidate (RFC 6544 §4.2). */
const TCP_HOST_PREFERENCE = 90;
const PASSIVE_PREFERENCE = 4;
const ALL_OF_IPV4 = '0.0.0.0';
const LOOPBACK: readonly string[] = ['127.0.0.1', '::1'];

/** Values of `a=candidate` (RFC 8839 §5.1) for the addresses of `candidateAddresses`, best first. */
export function candidateLines(addresses: readonly string[], port: number): string[] {
  return addresses.map((address, i) => {
    // RFC 8445 §5.1.2.1, for the only component there is. Each address is its own base, so each its own foundation.
    const priority = HOST_PREFERENCE * 2 ** 24 + (65_535 - i) * 2 ** 8 + 255;
    const foundation = String(i + 1);
    return writeIceCandidate({ foundation, component: 1, transport: 'udp', priority, address, port, type: 'host' });
  });
}

/** The same for TCP, where we are connected to (RFC 6544 §4.5); foundations differ from those of UDP. */
export function tcpCandidateLines(addresses: readonly string[], port: number): string[] {
  return addresses.map((address, i) => {
    // RFC 6544 §4.2: whatever can be had by UDP is better; 13 bits are left to tell addresses apart.
    const localPreference = PASSIVE_PREFERENCE * 2 ** 13 + (8191 - i);
    const priority = TCP_HOST_PREFERENCE * 2 ** 24 + localPreference * 2 ** 8 + 255;
    const foundation = String(MAX_CANDIDATES + i + 1);
    return writeIceCandidate({
      ...{ foundation, component: 1, transport: 'tcp', priority, address, port, type: 'host', tcpType: 'passive' },
    });
  });
}

/** The addresses to offer, IPv4 first, each once; only of families that are listened on. At most 16. */
export function candidateAddresses(o: CandidateOptions, interfaces = networkInterfaces()): readonly string[] {
  const advertised = o.advertisedAddresses;
  const own = advertised.length > 0 ? advertised : discovered(o, interfaces);
  const loopback = o.offerLoopback ? LOOPBACK : [];
  const all = new Set([...(advertised.length > 0 ? [] : reached(o.reachedAt)), ...own, ...loopback]);
  const usable = [...all].filter((address) => {
    const family = familyOf(address);
    return family !== undefined && o.families.includes(family);
  });
  const order = (family: IpFamily): string[] => usable.filter((address) => familyOf(address) === family);
  return [...order('IPv4'), ...order('IPv6')].slice(0, MAX_CANDIDATES);
}

/** The family of an address in text; undefined for what is no address. */
export function familyOf(address: string): IpFamily | undefined {
  const version = isIP(address);
  if (version === 0) return undefined;
  return version === 4 ? 'IPv4' : 'IPv6';
}

function reached(address: string | undefined): readonly string[] {
  // Sockets of both families show IPv4 inside IPv6 (RFC 4291 §2.5.5.2).
  const plain = address?.replace(/^::ffff:(?=\d+\.)/i, '').replace(/%.*$/, '');
  return plain === undefined || isIP(plain) === 0 || isLinkLocal(plain) ? [] : [plain];
}

function discovered(o: CandidateOptions, interfaces: NodeJS.Dict<NetworkInterfaceInfo[]>): readonly string[] {
  if (o.bindAddress !== undefined && o.bindAddress !== ALL_OF_IPV4) return [o.bindAddress];
  const all = Object.values(interfaces).flatMap((list) => list ?? []);
  const outside = all.filter((info) => !info.internal && !isLinkLocal(info.address)).map((info) => info.address);
  return outside.length > 0 ? outside : LOOPBACK;
}

function isLinkLocal(address: string): boolean {
  return /^(fe[89ab][0-9a-f]:|169\.254\.)/i.test(address);
}

import { type NetworkInterfaceInfo, networkInterfaces } from 'node:os';
import { bytesToIp, ipToBytes } from '../wire/stun/index.ts';

export interface OwnAddressesOptions {
  /** The only address that is listened on, if it is one. */
  readonly bindAddress: string | undefined;
  readonly advertisedAddresses: readonly string[];
}

/** Interfaces come and go, but asking for them takes longer than a packet may. */
const LOOK_INTERVAL_MS = 5000;
const ALL_ADDRESSES: readonly string[] = ['0.0.0.0', '::'];

/** Knows the addresses at which this server is reached: those that it is said to have, and those of its interfaces. */
export class OwnAddresses {
  readonly #options: OwnAddressesOptions;
  #known: ReadonlySet<string> = new Set();
  #lookedMs = Number.NEGATIVE_INFINITY;

  constructor(options: OwnAddressesOptions) {
    this.#options = options;
  }

  /** True for an address of this server in whatever notation; false for what is no address. */
  has(address: string, nowMs = performance.now()): boolean {
    if (nowMs - this.#lookedMs > LOOK_INTERVAL_MS) {
      this.#lookedMs = nowMs;
      this.#known = ownAddresses(this.#options, networkInterfaces());
    }
    return this.#known.has(address) || this.#known.has(canonicalAddress(address) ?? '');
  }
}

function ownAddresses(
  { bindAddress, advertisedAddresses }: OwnAddressesOptions,
  interfaces: NodeJS.Dict<NetworkInterfaceInfo[]>,
): ReadonlySet<string> {
  const all = bindAddress === undefined || ALL_ADDRESSES.includes(bindAddress);
  const local = all
    ? Object.values(interfaces)
        .flatMap((list) => list ?? [])
        .map((info) => info.address)
    : [bindAddress];
  return new Set([...advertisedAddresses, ...local].flatMap((address) => canonicalAddress(address) ?? []));
}

/** One notation for each address: IPv4 as ever, also where it stands inside IPv6, and IPv6 in eight groups. */
export function canonicalAddress(address: string): string | undefined {
  try {
    const text = bytesToIp(ipToBytes(address));
    const inside = /^0:0:0:0:0:ffff:([0-9a-f]+):([0-9a-f]+)$/.exec(text);
    if (inside === null) return text;
    const [high, low] = [Number.parseInt(inside[1] ?? '', 16), Number.parseInt(inside[2] ?? '', 16)];
    return bytesToIp(Uint8Array.of(high >> 8, high & 255, low >> 8, low & 255));
  } catch {
    return undefined;
  }
}

/** Whom an address belongs to: itself, or the half of one of IPv6 that a single customer has. */
export function networkOf(address: string): string {
  const whole = canonicalAddress(address) ?? address;
  return whole.includes(':') ? whole.split(':', 4).join(':') : whole;
}

import { BlockList, isIP } from 'node:net';

/** Addresses and networks: `192.0.2.1`, `10.0.0.0/8`, `2001:db8::/32`. An empty list has no entries and no opinion. */
export class AddressList {
  readonly size: number;
  readonly #entries = new BlockList();

  /** @throws RangeError naming the entry that is neither an address nor a network */
  constructor(entries: readonly string[]) {
    for (const entry of entries) this.#add(entry.trim());
    this.size = entries.length;
  }

  /** True when the address is in the list, also as IPv4 mapped to IPv6. What is no address is in no list. */
  has(address: string): boolean {
    const version = isIP(address);
    return version !== 0 && this.#entries.check(address, version === 4 ? 'ipv4' : 'ipv6');
  }

  #add(entry: string): void {
    const [address = '', bits, ...rest] = entry.split('/');
    const version = isIP(address);
    const prefix = bits === undefined ? undefined : /^\d{1,3}$/.test(bits) ? Number(bits) : Number.NaN;
    const most = version === 4 ? 32 : 128;
    if (version === 0 || rest.length > 0 || (prefix !== undefined && !(prefix <= most)) || address.includes('%'))
      throw new RangeError(`"${entry.slice(0, 64)}" is no address and no network such as 10.0.0.0/8`);
    const family = version === 4 ? 'ipv4' : 'ipv6';
    if (prefix === undefined) this.#entries.addAddress(address, family);
    else this.#entries.addSubnet(address, prefix, family);
  }
}

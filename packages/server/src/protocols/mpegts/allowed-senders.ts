import { BlockList, isIP } from 'node:net';
import { MediaServerError } from '../../core/index.ts';
import type { SenderList } from './input-port.ts';

const MAX_ENTRIES = 1000;

/** Addresses and networks that may send: `192.0.2.1`, `10.0.0.0/8`, `2001:db8::/32`. An empty list allows all. */
export class AllowedSenders implements SenderList {
  readonly #entries = new BlockList();
  readonly #all: boolean;

  /** @throws MediaServerError CONFIG_INVALID naming the entry that is neither an address nor a network */
  constructor(entries: readonly string[]) {
    if (entries.length > MAX_ENTRIES)
      throw new MediaServerError('CONFIG_INVALID', `a list of ${entries.length} allowed senders is too long`);
    for (const entry of entries) this.#add(entry.trim());
    this.#all = entries.length === 0;
  }

  allows(address: string): boolean {
    if (this.#all) return true;
    const version = isIP(address);
    return version !== 0 && this.#entries.check(address, version === 4 ? 'ipv4' : 'ipv6');
  }

  #add(entry: string): void {
    const [address = '', bits, ...rest] = entry.split('/');
    const version = isIP(address);
    const most = version === 4 ? 32 : 128;
    const prefix = bits === undefined ? most : /^\d{1,3}$/.test(bits) ? Number(bits) : Number.NaN;
    if (version === 0 || rest.length > 0 || !(prefix <= most) || address.includes('%')) {
      const shown = `"${entry.slice(0, 64)}" in the list of allowed senders`;
      throw new MediaServerError('CONFIG_INVALID', `${shown} is no address and no network such as 10.0.0.0/8`);
    }
    this.#entries.addSubnet(address, prefix, version === 4 ? 'ipv4' : 'ipv6');
  }
}

import { isIPv6 } from 'node:net';
import type { DatagramPort } from '../transport/options.ts';
import { type Endpoint, ipToBytes } from '../wire/stun/index.ts';
import { Allocation, type TurnUser } from './allocation.ts';
import type { TurnClient, TurnTallies } from './client.ts';
import { PortNumbers } from './port-numbers.ts';

export interface AllocationsOptions {
  readonly port: DatagramPort;
  readonly tallies: TurnTallies;
  /** The addresses of relayed addresses; undefined for a family that is not offered. */
  readonly addresses: { readonly IPv4: string | undefined; readonly IPv6: string | undefined };
  readonly maxAllocations: number;
  readonly maxAllocationsPerAddress: number;
  readonly maxPeers: number;
}

export interface NewAllocation {
  readonly client: TurnClient;
  readonly user: TurnUser;
  readonly family: 'IPv4' | 'IPv6';
  readonly evenPort: boolean;
  readonly transactionId: Buffer;
  readonly expiresMs: number;
}

/** All allocations of the server, within its limits. Each has a port number of its own, of its family. */
export class Allocations {
  readonly #options: AllocationsOptions;
  readonly #all = new Set<Allocation>();
  readonly #perAddress = new Map<string, number>();
  readonly #ports = { IPv4: new PortNumbers(), IPv6: new PortNumbers() };

  constructor(options: AllocationsOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#all.size;
  }

  hasFamily(family: 'IPv4' | 'IPv6'): boolean {
    return this.#options.addresses[family] !== undefined;
  }

  /** Makes one; `quota` when that address has too many, `full` when the server has. */
  create(wanted: NewAllocation): Allocation | 'quota' | 'full' {
    const { client, family } = wanted;
    const { addresses, port, tallies, maxPeers, maxAllocations, maxAllocationsPerAddress } = this.#options;
    const owner = ownerOf(client.address);
    const owned = this.#perAddress.get(owner) ?? 0;
    if (owned >= maxAllocationsPerAddress) return 'quota';
    const address = addresses[family];
    if (address === undefined || this.#all.size >= maxAllocations) return 'full';
    const number = this.#ports[family].take(wanted.evenPort);
    if (number === undefined) return 'full';
    const relayed: Endpoint = { address, port: number };
    const { user, transactionId } = wanted;
    const allocation = new Allocation(
      { client, user, relayed, transactionId, port, tallies, maxPeers },
      wanted.expiresMs,
    );
    this.#perAddress.set(owner, owned + 1);
    this.#all.add(allocation);
    client.allocation = allocation;
    client.keep();
    return allocation;
  }

  /** Ends one and frees its number. Idempotent. */
  end(allocation: Allocation): void {
    if (!this.#all.delete(allocation)) return;
    const { relayed, client } = allocation;
    this.#ports[isIPv6(relayed.address) ? 'IPv6' : 'IPv4'].giveBack(relayed.port);
    const owner = ownerOf(client.address);
    const owned = (this.#perAddress.get(owner) ?? 1) - 1;
    if (owned > 0) this.#perAddress.set(owner, owned);
    else this.#perAddress.delete(owner);
    allocation.close();
  }

  /** Ends those whose time is over. Call every second or so. */
  tick(nowMs: number): void {
    for (const allocation of this.#all) {
      if (allocation.expiresMs <= nowMs) this.end(allocation);
      else allocation.tick(nowMs);
    }
  }

  close(): void {
    for (const allocation of this.#all) this.end(allocation);
  }
}

/** To whom what an address uses is counted: hosts of IPv6 have a network of /64 to choose addresses from. Total. */
export function ownerOf(address: string): string {
  return isIPv6(address) ? ipToBytes(address).toString('hex', 0, 8) : address;
}

import { expect } from 'vitest';
import type { Converter, Publisher, Stream, StreamResolver } from '../../core/index.ts';
import { testHub } from '../../core/testing/hub.ts';
import { ScriptedAccess } from '../../core/testing/scripted-access.ts';
import { type HostLookup, OutboundGuard, Ticker } from '../../io/index.ts';
import { GuardedAddresses, type RelayOptions, RelayResolver, RelayServer } from '../index.ts';
import { ScriptedProtocol } from './scripted-protocol.ts';

const HOSTS: Readonly<Record<string, string>> = { 'camera.example': '192.0.2.1', 'inside.example': '10.0.0.1' };
const lookup: HostLookup = async (host) => {
  const address = HOSTS[host];
  if (address === undefined) throw Object.assign(new Error('getaddrinfo'), { code: 'ENOTFOUND' });
  return [{ address, family: 4 }];
};

/** Quick attempts. */
const RETRY = { enabled: true, maxAttempts: 0, minMs: 10, maxMs: 40 };

/** A relay server with protocols that do what a test says, and a hub of its own. */
export class RelayRig {
  readonly hub: ReturnType<typeof testHub>;
  readonly access = new ScriptedAccess();
  readonly cameras = new ScriptedProtocol('rtsp', ['rtsp', 'rtsps'], ['pull', 'push']);
  readonly rtmp = new ScriptedProtocol('rtmp', ['rtmp'], ['pull', 'push']);
  readonly servers = new ScriptedProtocol('webrtc', ['ws', 'wss'], ['pull', 'push']);
  readonly protocols = [this.cameras, this.rtmp, this.servers];
  readonly resolvers: StreamResolver[] = [];
  readonly relays: RelayServer;
  readonly resolver: RelayResolver;
  readonly #publishers = new Map<string, { stream: Stream; publisher: Publisher }>();

  constructor(options: Partial<RelayOptions> = {}, reconnectWaitMs = 0, converter?: Converter) {
    this.hub = testHub(reconnectWaitMs, converter);
    const guard = new OutboundGuard({ denied: ['10.0.0.0/8'] }, lookup);
    const deps = {
      ...this.hub,
      access: this.access,
      ticker: new Ticker(5),
      protocols: this.protocols,
      resolvers: this.resolvers,
      outbound: new GuardedAddresses(guard, this.hub.counters),
    };
    this.relays = new RelayServer(deps, { retry: RETRY, rtmpPushRetry: RETRY, ...options });
    this.resolver = new RelayResolver({ ...deps, relays: this.relays }, { enabled: true });
    this.resolvers.push(this.resolver);
  }

  /** Publishes a stream of that name. */
  publish(name: string): Stream {
    const publisher: Publisher = { sessionId: 'p', close: () => {} };
    const stream = this.hub.streams.publish(name, publisher);
    this.#publishers.set(name, { stream, publisher });
    return stream;
  }

  unpublish(name: string): void {
    const published = this.#publishers.get(name);
    if (published !== undefined) this.hub.streams.unpublish(published.stream, published.publisher, 'left');
    this.#publishers.delete(name);
  }

  /** What back ends were told of states, in order. */
  get states(): readonly unknown[] {
    return this.access.calls.filter(({ what }) => what === 'relayed').map(({ fields }) => fields['status']);
  }

  /** Ends everything and checks that nothing is left. */
  async close(): Promise<void> {
    await this.relays.close();
    for (const name of [...this.#publishers.keys()]) this.unpublish(name);
    for (const protocol of this.protocols) {
      expect(protocol.open.size).toBe(0);
      expect(protocol.links.filter(({ over }) => !over)).toEqual([]);
    }
    expect(this.relays.all()).toEqual([]);
    expect(this.hub.sessions.size).toBe(0);
    this.hub.streams.close();
    expect(this.hub.streams.size).toBe(0);
    expect(this.access.problems).toEqual([]);
  }
}

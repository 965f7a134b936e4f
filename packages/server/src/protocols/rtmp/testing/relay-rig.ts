import type { MediaPacket } from '@sluice/media';
import { expect } from 'vitest';
import type {
  Converter,
  OutboundAddress,
  OutboundAddresses,
  Publisher,
  PushOptions,
  Reader,
  RelayEnd,
  RelayEvents,
  RelayLink,
  Stream,
} from '../../../core/index.ts';
import { testHub } from '../../../core/testing/hub.ts';
import { Ticker } from '../../../io/index.ts';
import type { RtmpRelayOptions } from '../client/options.ts';
import { RtmpRelayProtocol } from '../client/relay-protocol.ts';

const TIMES = { connectTimeoutMs: 15_000, stallTimeoutMs: 15_000 };

/** One attempt, with what it told. */
export class Tried {
  readonly notes: string[] = [];
  connected = 0;
  media = 0;
  /** Once it is over. */
  end: RelayEnd | undefined;
  link!: RelayLink;

  readonly events: RelayEvents = {
    onConnected: () => void this.connected++,
    onMedia: () => void this.media++,
    onNote: (text) => void this.notes.push(text),
  };

  /** Closes it and waits until all is released. */
  async close(): Promise<void> {
    this.link.close('test is over');
    await this.link.ended;
  }
}

/** A hub with the protocol that connects to other servers, which are all on this machine. */
export class RelayRig {
  readonly hub: ReturnType<typeof testHub>;
  readonly ticker = new Ticker();
  readonly protocol: RtmpRelayProtocol;
  readonly tried: Tried[] = [];
  readonly #readers: Reader[] = [];
  /** Addresses that were asked for. */
  readonly resolved: string[] = [];
  readonly outbound: OutboundAddresses = {
    resolve: async (url) => {
      this.resolved.push(url);
      return this.resolve(url);
    },
  };

  constructor(options: Partial<RtmpRelayOptions> = {}, converter?: Converter) {
    this.hub = testHub(0, converter);
    this.protocol = new RtmpRelayProtocol({ ...this.hub, ticker: this.ticker }, options);
  }

  /** Every name is this machine. */
  resolve(url: string): OutboundAddress {
    const { hostname, port } = new URL(url);
    const host = hostname.replace(/^\[|\]$/g, '');
    const address = host.includes(':') ? host : '127.0.0.1';
    return { host, address, family: address.includes(':') ? 6 : 4, port: port === '' ? undefined : Number(port) };
  }

  /** A stream with a publisher. */
  stream(name: string): Stream {
    const publisher: Publisher = { sessionId: `test ${name}`, close: () => {} };
    return this.hub.streams.publish(name, publisher);
  }

  push(source: Stream, url: string, options: PushOptions = {}, times: Partial<typeof TIMES> = {}): Tried {
    return this.#try((tried) =>
      this.protocol.push({ ...this.#attempt(url, tried, times), source, streamName: source.name, options }),
    );
  }

  pull(stream: Stream, url: string, times: Partial<typeof TIMES> = {}): Tried {
    return this.#try((tried) => this.protocol.pull({ ...this.#attempt(url, tried, times), stream }));
  }

  /** All that comes into a stream from now on. */
  collect(stream: Stream): MediaPacket[] {
    const packets: MediaPacket[] = [];
    const reader = stream.attach({
      startAt: 'oldest',
      onReadable: () => {
        for (let entry = reader.read(); entry !== undefined; entry = reader.read()) packets.push(entry.packet);
      },
      onEnd: () => {},
    });
    this.#readers.push(reader);
    return packets;
  }

  /** Ends everything and checks that nothing is left. */
  async close(): Promise<void> {
    await Promise.all(this.tried.map((tried) => tried.close()));
    this.hub.adaptations.close();
    for (const reader of this.#readers) reader.close();
    for (const stream of this.hub.streams.all()) expect(stream.readerCount).toBe(0);
    this.hub.streams.close();
  }

  #try(make: (tried: Tried) => RelayLink): Tried {
    const tried = new Tried();
    tried.link = make(tried);
    void tried.link.ended.then((end) => {
      tried.end = end;
    });
    this.tried.push(tried);
    return tried;
  }

  #attempt(url: string, { events }: Tried, times: Partial<typeof TIMES>) {
    const { outbound } = this;
    const { log } = this.hub;
    const name = { url, remoteStreamName: undefined, mediaSessionId: 'm1' };
    return { ...name, outbound, log, events, ...TIMES, ...times };
  }
}

/** Bytes and times of the packets of one kind, to the millisecond, counted from `fromUs`. */
export function facts(packets: readonly MediaPacket[], kind: 'video' | 'audio', fromUs: number): object[] {
  return packets
    .filter(({ track }) => track.kind === kind)
    .map(({ units, ptsUs, dtsUs, key }) => ({
      bytes: Buffer.concat(units).toString('base64'),
      ptsMs: Math.round((ptsUs - fromUs) / 1000),
      dtsMs: Math.round((dtsUs - fromUs) / 1000),
      key,
    }));
}

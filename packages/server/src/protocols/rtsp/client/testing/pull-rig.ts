import type { MediaPacket } from '@sluice/media';
import {
  type OutboundAddresses,
  type PullAttempt,
  type RelayEnd,
  type RelayLink,
  Stream,
} from '../../../../core/index.ts';
import { testHub } from '../../../../core/testing/hub.ts';
import { Ticker } from '../../../../io/index.ts';
import type { RtspRelayOptions } from '../options.ts';
import { RtspRelayProtocol } from '../relay-protocol.ts';

/** All names are this machine. */
export const LOOPBACK: OutboundAddresses = {
  resolve: async (url) => {
    const { hostname, port } = new URL(url);
    const address = hostname === '[::1]' ? '::1' : '127.0.0.1';
    return { host: hostname, address, family: address === '::1' ? 6 : 4, port: Number(port) };
  },
};

/** UDP ports of tests: not those of servers that may run here. */
export const TEST_OPTIONS: Partial<RtspRelayOptions> = { portFrom: 43_000, portTo: 43_999, udpPatienceMs: 1000 };

/** A protocol and all that one pull of it does, to be looked at. */
export class PullRig {
  readonly hub = testHub();
  readonly ticker = new Ticker();
  readonly stream = new Stream('camera');
  readonly packets: MediaPacket[] = [];
  readonly notes: string[] = [];
  readonly resolved: string[] = [];
  connected = 0;
  media = 0;
  end: RelayEnd | undefined;
  readonly protocol: RtspRelayProtocol;
  readonly #links: RelayLink[] = [];
  readonly #timeouts: Pick<PullAttempt, 'connectTimeoutMs' | 'stallTimeoutMs'>;

  constructor(
    options: Partial<RtspRelayOptions> = {},
    timeouts: Partial<Pick<PullAttempt, 'connectTimeoutMs' | 'stallTimeoutMs'>> = {},
  ) {
    this.protocol = new RtspRelayProtocol({ ...this.hub, ticker: this.ticker }, { ...TEST_OPTIONS, ...options });
    this.#timeouts = { connectTimeoutMs: 10_000, stallTimeoutMs: 10_000, ...timeouts };
    const reader = this.stream.attach({
      startAt: 'live',
      onReadable: () => {
        for (let entry = reader.read(); entry !== undefined; entry = reader.read()) this.packets.push(entry.packet);
      },
      onEnd: () => undefined,
    });
  }

  get video(): readonly MediaPacket[] {
    return this.packets.filter(({ track }) => track.kind === 'video');
  }

  get audio(): readonly MediaPacket[] {
    return this.packets.filter(({ track }) => track.kind === 'audio');
  }

  /** Begins an attempt; the stream goes on from one to the next. */
  pull(url: string, changes: Partial<PullAttempt> = {}): RelayLink {
    this.end = undefined;
    const link = this.protocol.pull({
      url,
      remoteStreamName: undefined,
      mediaSessionId: 'm1',
      outbound: {
        resolve: (asked) => {
          this.resolved.push(asked);
          return LOOPBACK.resolve(asked);
        },
      },
      ...this.#timeouts,
      log: this.hub.log,
      stream: this.stream,
      events: {
        onConnected: () => {
          if (this.connected++ > 0) this.stream.beginAnew();
        },
        onMedia: () => void this.media++,
        onNote: (text) => void this.notes.push(text),
      },
      ...changes,
    });
    this.#links.push(link);
    void link.ended.then((end) => {
      this.end = end;
    });
    return link;
  }

  async close(): Promise<void> {
    for (const link of this.#links) link.close('the test is over');
    await Promise.all(this.#links.map(({ ended }) => ended));
  }
}

/** Resolves when the condition holds; rejects, with what is known, when it does not in time. */
export async function until(
  condition: () => boolean,
  what: string | (() => string) = 'condition',
  timeoutMs = 25_000,
): Promise<void> {
  const deadlineMs = performance.now() + timeoutMs;
  while (!condition()) {
    if (performance.now() > deadlineMs)
      throw new Error(`not within ${timeoutMs} ms: ${typeof what === 'string' ? what : what()}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

import type { MediaPacket, Track } from '@sluice/media';
import { type PushAttempt, type RelayEnd, type RelayLink, Stream } from '../../../../core/index.ts';
import { testHub } from '../../../../core/testing/hub.ts';
import { Ticker } from '../../../../io/index.ts';
import type { RtspRelayOptions } from '../options.ts';
import { RtspRelayProtocol } from '../relay-protocol.ts';
import { LOOPBACK, TEST_OPTIONS } from './pull-rig.ts';

/** A stream of a test, and one push of it, to be looked at. */
export class PushRig {
  readonly hub = testHub();
  readonly source = new Stream('live');
  readonly notes: string[] = [];
  connected = 0;
  media = 0;
  end: RelayEnd | undefined;
  readonly protocol: RtspRelayProtocol;
  readonly #links: RelayLink[] = [];

  constructor(tracks: readonly Track[], options: Partial<RtspRelayOptions> = {}) {
    this.protocol = new RtspRelayProtocol({ ...this.hub, ticker: new Ticker() }, { ...TEST_OPTIONS, ...options });
    this.source.attachPublisher({ sessionId: 'test', tracksComplete: true, close: () => undefined });
    for (const track of tracks) this.source.setTrack(track);
  }

  push(url: string, changes: Partial<PushAttempt> = {}): RelayLink {
    this.end = undefined;
    const link = this.protocol.push({
      url,
      remoteStreamName: undefined,
      mediaSessionId: 'm1',
      outbound: LOOPBACK,
      connectTimeoutMs: 10_000,
      stallTimeoutMs: 10_000,
      log: this.hub.log,
      source: this.source,
      streamName: 'live',
      options: {},
      events: {
        onConnected: () => void this.connected++,
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
    this.hub.adaptations.close();
  }
}

/** What a viewer gets of a stream, from its next packet on. */
export function collect(stream: Stream): MediaPacket[] {
  const packets: MediaPacket[] = [];
  const reader = stream.attach({
    startAt: 'gop',
    onReadable: () => drain(),
    onEnd: () => undefined,
  });
  const drain = (): void => {
    for (let entry = reader.read(); entry !== undefined; entry = reader.read()) packets.push(entry.packet);
  };
  drain();
  return packets;
}

/** The units of all packets of one kind, as text. */
export function unitsOf(packets: readonly MediaPacket[], kind: Track['kind']): string[] {
  return packets
    .filter(({ track }) => track.kind === kind)
    .map(({ units }) => units.map((unit) => Buffer.from(unit).toString('hex')).join(' '));
}

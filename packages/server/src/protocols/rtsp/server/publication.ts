import { randomInt } from 'node:crypto';
import { ProtocolError, parseRtcp, parseRtp } from '@sluice/media';
import {
  ENDING_INFO,
  infoOfError,
  type MediaSession,
  type PublicationToRecord,
  type Publisher,
  publisherFacts,
  type SessionDescription,
  type SessionFacts,
  type Stream,
  withoutCredentials,
} from '../../../core/index.ts';
import { PublisherMedia } from '../../../rtp/index.ts';
import type { NumberPair, RtspTransport } from '../wire/transport.ts';
import { writeInterleaved } from '../wire/writer.ts';
import { chooseTransport, type MediaPath } from './choose-transport.ts';
import type { RtspContext } from './context.ts';
import { negotiatedTrack } from './negotiated-track.ts';
import type { RtspPeer } from './peer.ts';
import type { AdmittedPublication } from './publisher-admission.ts';
import { parseTarget, withoutEndSlashes } from './target.ts';

/** What the back end hears of an end. */
export interface RtspOutcome {
  readonly failed: boolean;
  readonly info: string;
}

interface SetUp {
  readonly path: MediaPath;
  readonly claim: Disposable | undefined;
}

interface Running {
  readonly stream: Stream;
  /** Positions in what is received, by the number of the announced track. */
  readonly positions: ReadonlyMap<number, number>;
  readonly media: PublisherMedia;
  readonly registrations: readonly Disposable[];
}

const CNAME = 'sluice';

/** What one RTSP client publishes: announced, then track by track set up, then recorded, as RTSP calls it. */
export class RtspPublication implements MediaSession, Publisher {
  readonly mediaSessionId: string;
  readonly sessionId: string;
  readonly recording: PublicationToRecord;
  readonly #peer: RtspPeer;
  readonly #admitted: AdmittedPublication;
  readonly #context: RtspContext;
  readonly #createdAt = Date.now();
  readonly #localSsrc = randomInt(1, 2 ** 32);
  readonly #setUp = new Map<number, SetUp>();
  /** Track by channel: of RTP at its own number, of RTCP at the next one. */
  readonly #channels = new Map<number, { readonly track: number; readonly rtcp: boolean }>();
  #running: Running | undefined;
  #failure: string | undefined;
  #bytesIn = 0;
  #malformed = 0;
  #stopping = false;
  #ended = false;

  constructor(peer: RtspPeer, admitted: AdmittedPublication, context: RtspContext) {
    this.#peer = peer;
    this.#admitted = admitted;
    this.#context = context;
    this.sessionId = peer.sessionId;
    this.mediaSessionId = admitted.mediaSessionId;
    const { access, client } = admitted;
    this.recording = {
      mediaSessionId: admitted.mediaSessionId,
      login: client.login,
      appKey: client.appKey,
      wanted: access.fields['record'] === true,
      onEvent: (event) => access.recorded(event),
    };
  }

  /** Publishers tell what they send before they do. */
  get tracksComplete(): boolean {
    const running = this.#running;
    if (running === undefined) return false;
    const { video, audio } = running.stream.state;
    return [video, audio].filter((track) => track !== undefined).length === this.#setUp.size;
  }

  /** True once a track is set up. */
  get isSetUp(): boolean {
    return this.#setUp.size > 0;
  }

  get started(): boolean {
    return this.#running !== undefined;
  }

  /** Its media comes by UDP. */
  get isUdp(): boolean {
    for (const { path } of this.#setUp.values()) return path.kind === 'udp';
    return false;
  }

  /** The announced track that a URL of SETUP means, by its `a=control` or its number; undefined when there is none. */
  trackOf(uri: string): number | undefined {
    const { tracks } = this.#admitted.described;
    const path = withoutEndSlashes(uri);
    const named = tracks.findIndex(({ control = '' }) => {
      const name = withoutEndSlashes(control.replace(/^\/+/, ''));
      return name !== '' && name !== '*' && (path === name || path.endsWith(`/${name}`));
    });
    if (named >= 0) return named;
    const number = parseTarget(uri)?.track ?? 0;
    return tracks[number] === undefined ? undefined : number;
  }

  /** Prepares a track; undefined when the client offers no transport that can be used (461). */
  setUp(index: number, header: string): RtspTransport | undefined {
    const others = [...this.#setUp].filter(([other]) => other !== index).map(([, { path }]) => path);
    const path = chooseTransport(header, {
      mode: 'record',
      kind: others[0]?.kind,
      udpEnabled: this.#context.udp !== undefined && !this.#peer.tunnelled,
      usedChannels: others.flatMap((other) => (other.kind === 'tcp' ? [other.channels] : [])),
      usualChannel: index * 2,
    });
    if (path === undefined) return undefined;
    this.#release(index);
    const claim = path.kind === 'udp' ? this.#claim(index, path.clientPorts) : undefined;
    if (path.kind === 'udp' && claim === undefined) return undefined;
    this.#setUp.set(index, { path, claim });
    const common = { profile: 'RTP/AVP', delivery: 'unicast', mode: 'record' } as const;
    if (path.kind === 'udp')
      return { ...common, lower: 'UDP', clientPort: path.clientPorts, serverPort: this.#context.udp?.ports ?? [0, 0] };
    const [rtp, rtcp] = path.channels;
    this.#channels.set(rtp, { track: index, rtcp: false }).set(rtcp, { track: index, rtcp: true });
    return { ...common, lower: 'TCP', interleaved: path.channels };
  }

  /**
   * Takes the stream's name; media is taken from now on.
   * @throws MediaServerError STREAM_NAME_BUSY, STREAM_NAME_INVALID or STREAM_LIMIT
   */
  record(): void {
    const { name, access, described } = this.#admitted;
    const { streams, options, sessions, counters, log } = this.#context;
    const stream = streams.publish(name, this);
    const indexes = [...this.#setUp.keys()].sort((a, b) => a - b);
    const media = new PublisherMedia({
      tracks: indexes.flatMap((index) => {
        const track = described.tracks[index];
        return track === undefined ? [] : [negotiatedTrack(track)];
      }),
      stream,
      options: options.receive,
      localSsrc: this.#localSsrc,
      cname: CNAME,
      reducedSizeRtcp: false,
      forward: false,
      sendRtcp: (bytes) => this.#sendRtcp(bytes),
      onFirstMedia: () => {},
      onActivityTimeout: () => {
        this.#failure = ENDING_INFO.rtpActivity;
      },
      onClockBreak: () => counters.count('source_clock_breaks'),
    });
    const registrations = [sessions.add(this), this.#context.everyTick((nowMs) => media.tick(nowMs))];
    this.#running = { stream, media, registrations, positions: new Map(indexes.map((index, at) => [index, at])) };
    media.declareTracks();
    log.info(
      { session: this.sessionId, stream: withoutCredentials(name), notes: described.notes },
      'publishing by RTSP',
    );
    access.active(this);
  }

  /** A packet that came over the connection. */
  interleaved(channel: number, payload: Uint8Array): void {
    const known = this.#channels.get(channel);
    if (known === undefined) return;
    if (known.rtcp) this.#rtcp(known.track, payload);
    else this.#rtp(known.track, payload);
  }

  /** Called about once a second; tells why the publication should end, or undefined. */
  check(_nowMs: number): string | undefined {
    return this.#failure;
  }

  describe(): SessionDescription {
    const { name, client, target } = this.#admitted;
    const stats = this.#running?.media.stats();
    const { broken = 0, not_carried = 0 } = stats?.drops ?? {};
    return {
      sessionId: this.sessionId,
      mediaSessionId: this.mediaSessionId,
      appKey: client.appKey,
      protocol: 'rtsp',
      mediaProvider: 'RTSP',
      mediaType: 'publish',
      streamName: name,
      status: this.#ended ? 'STOPPED' : this.started ? 'PUBLISHING' : 'PENDING',
      createDate: this.#createdAt,
      transport: this.isUdp ? 'UDP' : 'TCP',
      remoteAddress: this.#peer.remoteAddress,
      bytesIn: this.#bytesIn,
      bytesOut: 0,
      packets: stats?.packets ?? 0,
      queuedBytes: stats?.queuedBytes ?? 0,
      drops: { broken: broken + this.#malformed, not_carried },
      lostPackets: stats?.packetsLost ?? 0,
      custom: target.custom,
    };
  }

  explain(): SessionFacts {
    const { secure, agent } = this.#peer;
    const media = this.#running === undefined ? [] : publisherFacts(this.#running.stream);
    return { tcp: { queuedBytes: 0, secure, agent }, media };
  }

  /** Somebody else than the client wants the publication gone. */
  close(reason: string): void {
    this.#peer.finish(reason);
  }

  /** The client itself ends it. */
  stopping(): void {
    if (this.#stopping) return;
    this.#stopping = true;
    this.#admitted.access.stopping();
  }

  /** Gives everything back. Idempotent. */
  end(reason: string, outcome: RtspOutcome): void {
    if (this.#ended) return;
    this.#ended = true;
    for (const index of [...this.#setUp.keys()]) this.#release(index);
    const running = this.#running;
    if (running !== undefined) {
      running.media.close();
      this.#context.streams.unpublish(running.stream, this, reason);
      for (const registration of running.registrations) registration[Symbol.dispose]();
    }
    const { access, client } = this.#admitted;
    access.ended(outcome.failed ? 'FAILED' : 'UNPUBLISHED', outcome.info);
    client.end(outcome.info);
  }

  #claim(index: number, clientPorts: NumberPair): Disposable | undefined {
    return this.#context.udp?.claim(this.#peer.remoteAddress, clientPorts, {
      rtp: (datagram) => this.#rtp(index, datagram),
      rtcp: (datagram) => this.#rtcp(index, datagram),
    });
  }

  // Hot path: once per packet.
  #rtp(index: number, bytes: Uint8Array): void {
    const running = this.#running;
    if (running === undefined) return;
    this.#bytesIn += bytes.length;
    try {
      running.media.onRtp(parseRtp(bytes), performance.now(), running.positions.get(index));
      this.#peer.alive();
    } catch (error) {
      this.#onBroken(error);
    }
  }

  #rtcp(index: number, bytes: Uint8Array): void {
    const running = this.#running;
    if (running === undefined) return;
    try {
      running.media.onRtcp(parseRtcp(bytes), performance.now(), running.positions.get(index));
      this.#peer.alive();
    } catch (error) {
      this.#onBroken(error);
    }
  }

  #onBroken(error: unknown): void {
    if (!(error instanceof ProtocolError)) throw error;
    this.#malformed += 1;
    this.#context.counters.count('rtsp_malformed_datagrams');
  }

  /** Reports are about all tracks and go with the first one, as RTSP has no place for more. */
  #sendRtcp(bytes: Uint8Array): void {
    for (const { path } of this.#setUp.values()) {
      if (path.kind === 'udp')
        this.#context.udp?.send('rtcp', bytes, { address: this.#peer.remoteAddress, port: path.clientPorts[1] });
      else if (!this.#peer.output.writableNeedDrain) this.#peer.send(writeInterleaved(path.channels[1], bytes));
    }
  }

  #release(index: number): void {
    const old = this.#setUp.get(index);
    old?.claim?.[Symbol.dispose]();
    this.#setUp.delete(index);
    for (const [channel, { track }] of [...this.#channels]) if (track === index) this.#channels.delete(channel);
  }
}

/** How the back end hears why a publication could not begin. */
export function outcomeOf(error: unknown): RtspOutcome {
  return { failed: true, info: infoOfError(error) };
}

import { randomUUID } from 'node:crypto';
import { writeRtp } from '@sluice/media';
import type { Converter, PeerEndReason, PeerRequest, PeerSession, Renditions } from '../../../core/index.ts';
import { testHub } from '../../../core/testing/hub.ts';
import { Ticker } from '../../../io/index.ts';
import { resolveWebRtcOptions, type WebRtcOptions } from '../options.ts';
import { WebRtcServer } from '../server.ts';
import { ecdsaIdentity, type OwnIdentity } from '../wire/dtls/testing/identities.ts';
import {
  AUDIO_PAYLOAD_TYPE,
  AUDIO_SSRC,
  RtcClient,
  type RtcClientOptions,
  VIDEO_PAYLOAD_TYPE,
  VIDEO_SSRC,
} from './rtc-client.ts';

/** A session as its signalling sees it, with the client at the other end. */
export interface RigSession {
  readonly client: RtcClient;
  readonly session: PeerSession;
  readonly events: {
    active: boolean;
    ended: PeerEndReason | undefined;
    detail: string;
    sizes: string[];
  };
}

export interface RigOptions extends Partial<WebRtcOptions> {
  /** Converts tracks that players don't take; without it none is. */
  readonly converter?: Converter | undefined;
  readonly renditions?: Renditions | undefined;
}

/** A WebRTC server with a hub of its own, and clients for it. */
export class WebRtcRig {
  readonly hub;
  readonly ticker = new Ticker();
  readonly server: WebRtcServer;
  readonly identity: OwnIdentity;
  readonly #clients: RtcClient[] = [];

  private constructor(identity: OwnIdentity, own: OwnIdentity, { converter, renditions, ...options }: RigOptions) {
    this.identity = identity;
    this.hub = testHub(0, converter);
    const deps = { ...this.hub, ticker: this.ticker, resolvers: [], renditions };
    this.server = new WebRtcServer(
      deps,
      resolveWebRtcOptions({ host: '127.0.0.1', certificate: own.certificate, ...options }),
    );
  }

  static async start(options: RigOptions = {}): Promise<WebRtcRig> {
    const rig = new WebRtcRig(await ecdsaIdentity(), await ecdsaIdentity(), options);
    await rig.server.start();
    return rig;
  }

  async close(): Promise<void> {
    await Promise.allSettled(this.#clients.splice(0).map((client) => client.close()));
    await this.server.close();
    this.hub.adaptations.close();
    this.hub.streams.close();
  }

  client(options: Partial<RtcClientOptions>): RtcClient {
    const client = new RtcClient({ identity: this.identity, direction: 'sendonly', video: 'VP8', ...options });
    this.#clients.push(client);
    return client;
  }

  publish(streamName: string, options: Partial<RtcClientOptions> = {}): Promise<RigSession> {
    return this.#open('publish', streamName, { options: { direction: 'sendonly', ...options } });
  }

  /** With `asked`, the player asks for what a plain one does not. */
  play(
    streamName: string,
    options: Partial<RtcClientOptions> = {},
    asked: Partial<PeerRequest> = {},
  ): Promise<RigSession> {
    return this.#open('play', streamName, { options: { direction: 'recvonly', ...options }, asked });
  }

  async #open(
    way: 'publish' | 'play',
    streamName: string,
    more: { readonly options: Partial<RtcClientOptions>; readonly asked?: Partial<PeerRequest> },
  ): Promise<RigSession> {
    const client = this.client(more.options);
    const events: RigSession['events'] = { active: false, ended: undefined, detail: '', sizes: [] };
    const request: PeerRequest = {
      streamName,
      mediaSessionId: randomUUID(),
      sessionId: '/127.0.0.1:1/127.0.0.1:2',
      appKey: 'defaultApp',
      mediaProvider: 'WebRTC',
      remoteAddress: '127.0.0.1',
      offer: client.offer,
      videoOrientation: true,
      custom: {},
      events: {
        onActive: () => {
          events.active = true;
        },
        onEnded: (reason, detail) => {
          events.ended = reason;
          events.detail = detail;
        },
        onResize: (width, height) => events.sizes.push(`${width}x${height}`),
      },
      ...more.asked,
    };
    const session = await this.server[way](request);
    await client.connect(session.answer);
    return { client, session, events };
  }
}

/** A key frame of VP8 with that size and nothing in it (RFC 6386 §9.1), behind its payload descriptor (RFC 7741). */
export function vp8KeyFrame(width = 320, height = 240): Uint8Array {
  const frame = new Uint8Array(40);
  frame.set([0x10, 0x10, 0x02, 0x00, 0x9d, 0x01, 0x2a, width & 0xff, width >> 8, height & 0xff, height >> 8]);
  return frame;
}

/** A frame of VP8 that refers to others. */
export function vp8DeltaFrame(): Uint8Array {
  return Uint8Array.of(0x10, 0x11, 0x02, 0x00, 1, 2, 3, 4);
}

/** Sends picture and sound with numbers that go on. */
export class Sender {
  #sequence = 65_500;
  #frames = 0;
  readonly #client: RtcClient;

  constructor(client: RtcClient) {
    this.#client = client;
  }

  /** One frame of VP8 in one packet, and the sound that belongs to it. */
  frame(key = false): void {
    const fields = { payloadType: VIDEO_PAYLOAD_TYPE, ssrc: VIDEO_SSRC, timestamp: (this.#frames * 3000) >>> 0 };
    const common = { marker: true, sequence: this.#sequence & 0xffff };
    this.#client.sendRtp({ ...fields, ...common }, key ? vp8KeyFrame() : vp8DeltaFrame());
    this.sound();
  }

  /** The sound of a frame that is not sent. */
  sound(): void {
    const times = this.#frames++;
    const common = { marker: true, sequence: this.#sequence++ & 0xffff };
    const audio = { payloadType: AUDIO_PAYLOAD_TYPE, ssrc: AUDIO_SSRC, timestamp: (times * 1600) >>> 0, ...common };
    this.#client.sendRtp(audio, Uint8Array.of(0xfc, times & 0xff, times >> 8));
  }

  /** A packet of picture by itself, not sent: for tests that lose it. */
  lose(): Uint8Array {
    const fields = {
      payloadType: VIDEO_PAYLOAD_TYPE,
      ssrc: VIDEO_SSRC,
      marker: true,
      timestamp: this.#frames++ * 3000,
    };
    return writeRtp({ ...fields, sequence: this.#sequence++ & 0xffff }, vp8DeltaFrame());
  }
}

import { expect, vi } from 'vitest';
import {
  AUDIO_PAYLOAD_TYPE,
  AUDIO_SSRC,
  RtcClient,
  type RtcClientOptions,
  VIDEO_PAYLOAD_TYPE,
  VIDEO_SSRC,
} from '../../../packages/server/src/protocols/webrtc/testing/rtc-client.ts';
import {
  ecdsaIdentity,
  type OwnIdentity,
} from '../../../packages/server/src/protocols/webrtc/wire/dtls/testing/identities.ts';
import type { TestServer } from '../server.ts';

const FRAME_MS = 40;
const PACKETS_PER_FRAME = 3;
const PAYLOAD_BYTES = 1000;
/** Beginnings of a key frame and of another frame of VP8, behind the payload descriptor. */
const KEY = [0x10, 0x10, 0x02, 0x00, 0x9d, 0x01, 0x2a, 0x40, 0x01, 0xf0, 0x00];
const DELTA = [0x10, 0x11, 0x02, 0x00];
const KEPT_DATAGRAMS = 200;

/** A client that keeps the first datagrams that it sent, as somebody on the way could. */
export class OverheardClient extends RtcClient {
  readonly sent: Buffer[] = [];
  sentBytes = 0;

  override send(datagram: Uint8Array, port?: number): void {
    this.sentBytes += datagram.length;
    if (this.sent.length < KEPT_DATAGRAMS) this.sent.push(Buffer.from(datagram));
    super.send(datagram, port);
  }
}

/** A stream that is published and played by WebRTC while other things happen to the server. */
export class Call {
  readonly name: string;
  readonly publisher: OverheardClient;
  readonly player: RtcClient;
  readonly identity: OwnIdentity;
  #received = 0;
  #frames = 0;
  #sequence = 0;
  readonly #timer: NodeJS.Timeout;

  private constructor(name: string, identity: OwnIdentity) {
    this.name = name;
    this.identity = identity;
    this.publisher = new OverheardClient({ identity, direction: 'sendonly', video: 'VP8' });
    this.player = new RtcClient({ identity, direction: 'recvonly', video: 'VP8' });
    this.player.onRtp = () => this.#received++;
    this.#timer = setInterval(() => this.#sendFrame(), FRAME_MS);
  }

  static async start(server: TestServer, name: string): Promise<Call> {
    const call = new Call(name, await ecdsaIdentity());
    await connect(call.publisher, server.http(`/whip/${name}`));
    await server.untilLive(name);
    await connect(call.player, server.http(`/whep/${name}`));
    await call.untilFlowing();
    return call;
  }

  /** Waits until media have come through again, for more than a second of the stream. */
  async untilFlowing(): Promise<void> {
    const before = this.#received;
    const enough = (): void => expect(this.#received - before).toBeGreaterThan(100);
    await vi.waitFor(enough, { timeout: 10_000, interval: 20 });
    expect([this.publisher.closedBy, this.player.closedBy]).toEqual([undefined, undefined]);
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    await Promise.all([this.publisher.close(), this.player.close()]);
  }

  #sendFrame(): void {
    if (!this.publisher.connected) return;
    const frame = this.#frames++;
    for (let i = 0; i < PACKETS_PER_FRAME; i++) {
      const payload = Buffer.alloc(PAYLOAD_BYTES);
      payload.set(i > 0 ? [0] : frame % 25 === 0 ? KEY : DELTA);
      const sequence = this.#sequence++ & 0xffff;
      const marker = i === PACKETS_PER_FRAME - 1;
      const fields = { payloadType: VIDEO_PAYLOAD_TYPE, ssrc: VIDEO_SSRC, timestamp: frame * FRAME_MS * 90 };
      this.publisher.sendRtp({ ...fields, sequence, marker }, payload);
    }
    const sound = { payloadType: AUDIO_PAYLOAD_TYPE, ssrc: AUDIO_SSRC, timestamp: frame * FRAME_MS * 48, marker: true };
    this.publisher.sendRtp({ ...sound, sequence: frame & 0xffff }, Buffer.of(0xfc, 0xff, 0xfe));
  }
}

/** Offers by WHIP or WHEP and waits until the client is connected. */
export async function connect(client: RtcClient, url: string): Promise<void> {
  const response = await postOffer(url, client.offer);
  const answer = await response.text();
  expect(response.status, answer).toBe(201);
  await client.connect(answer);
  await vi.waitFor(() => expect(client.connected).toBe(true), { timeout: 10_000, interval: 10 });
}

export function postOffer(
  url: string,
  body: string | Uint8Array<ArrayBuffer>,
  type = 'application/sdp',
): Promise<Response> {
  return fetch(url, { method: 'POST', headers: { 'content-type': type }, body });
}

/** An offer that a server accepts. */
export function offerOf(options: RtcClientOptions): string {
  return new RtcClient(options).offer;
}

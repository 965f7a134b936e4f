import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseRtp } from '@sluice/media';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import {
  RtcClient,
  VIDEO_PAYLOAD_TYPE,
  VIDEO_SSRC,
} from '../packages/server/src/protocols/webrtc/testing/rtc-client.ts';
import { ecdsaIdentity } from '../packages/server/src/protocols/webrtc/wire/dtls/testing/identities.ts';
import { Ffmpeg } from './support/ffmpeg.ts';
import { Program } from './support/program.ts';
import { TestServer } from './support/server.ts';
import { postOffer } from './support/webrtc/call.ts';
import { WebRtcPages } from './support/webrtc/pages.ts';

const ORIENTATION_ID = 13;
const QUARTER = 1;
const HALF = 2;

/** A phone that publishes by WHIP: real pictures, and with each packet how the phone is held. */
class Phone {
  orientation = 0;
  readonly #client: RtcClient;
  readonly #socket: Socket = createSocket('udp4');
  #encoder: Ffmpeg | undefined;

  constructor(client: RtcClient) {
    this.#client = client;
  }

  static async publish(url: string): Promise<Phone> {
    const client = new RtcClient({
      identity: await ecdsaIdentity(),
      direction: 'sendonly',
      video: 'H264',
      audio: false,
    });
    const phone = new Phone(client);
    const response = await postOffer(url, `${client.offer}a=extmap:${ORIENTATION_ID} urn:3gpp:video-orientation\r\n`);
    await client.connect(await response.text());
    await vi.waitFor(() => expect(client.connected).toBe(true), { timeout: 10_000, interval: 10 });
    await phone.#film();
    return phone;
  }

  async stop(): Promise<void> {
    await this.#encoder?.stop();
    this.#socket.close();
    await this.#client.close();
  }

  /** An encoder sends RTP to us, and we send it on as a browser would. */
  async #film(): Promise<void> {
    this.#socket.bind(0, '127.0.0.1');
    await once(this.#socket, 'listening');
    this.#socket.on('message', (datagram) => {
      const { marker, sequence, timestamp, payload } = parseRtp(datagram);
      const extensions = [{ id: ORIENTATION_ID, value: Uint8Array.of(this.orientation) }];
      const fields = { payloadType: VIDEO_PAYLOAD_TYPE, ssrc: VIDEO_SSRC, marker, sequence, timestamp, extensions };
      this.#client.sendRtp(fields, payload);
    });
    const picture = ['-re', '-f', 'lavfi', '-i', 'testsrc2=s=320x240:r=25'];
    const codec = [
      '-c:v',
      'libx264',
      '-preset',
      'ultrafast',
      '-pix_fmt',
      'yuv420p',
      '-profile:v',
      'baseline',
      '-g',
      '25',
    ];
    const to = `rtp://127.0.0.1:${this.#socket.address().port}?pkt_size=1100`;
    this.#encoder = new Ffmpeg(['-v', 'error', ...picture, ...codec, '-bsf:v', 'dump_extra', '-f', 'rtp', to]);
  }
}

/** Values of `orientation` in the metadata of an FLV file, in order. */
function orientationsIn(file: string): number[] {
  const bytes = readFileSync(file);
  const name = Buffer.from('orientation');
  const found: number[] = [];
  for (let at = bytes.indexOf(name); at >= 0; at = bytes.indexOf(name, at + 1))
    found.push(bytes.readDoubleBE(at + name.length + 1));
  return found;
}

let server: TestServer;
let pages: WebRtcPages;
let phone: Phone;

beforeAll(async () => {
  server = await TestServer.start();
  pages = await WebRtcPages.start();
  phone = await Phone.publish(server.http('/whip/phone'));
  phone.orientation = QUARTER;
  await server.untilLive('phone');
});

afterAll(async () => {
  await phone.stop();
  await pages.close();
  await server.stop();
});

describe('the orientation of a phone', () => {
  it('turns the picture of WebRTC players, and is told to RTMP players, at the beginning and when it changes', async () => {
    const page = await pages.play(server.http('/whep/phone'), { audio: false });
    await page.until(({ width, height }) => width === 240 && height === 320);
    const file = join(server.folder, 'phone.flv');
    const recorder = new Program('rtmpdump', ['-q', '-v', '-r', server.rtmp('phone'), '-o', file]);
    await vi.waitFor(() => expect(orientationsIn(file)).toEqual([QUARTER]), { timeout: 15_000, interval: 100 });
    phone.orientation = HALF;
    await page.until(({ width, height }) => width === 320 && height === 240);
    await vi.waitFor(() => expect(orientationsIn(file)).toEqual([QUARTER, HALF]), { timeout: 15_000, interval: 100 });
    await recorder.stop();
    await page.close();
  });
});

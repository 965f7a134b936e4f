import type { TestContext } from 'vitest';
import { Ffmpeg } from '../ffmpeg.ts';
import type { TestServer } from '../server.ts';
import type { Pages } from '../webrtc/pages.ts';
import type { Impairment } from './line.ts';
import { type NumberedSource, numberedInput } from './numbered.ts';
import { SeeingPage } from './seen.ts';
import { nowMs, type Span, stallsOf } from './stalls.ts';
import { TcpRelay } from './tcp-relay.ts';
import { ThroughRelays } from './through.ts';
import { UdpRelay } from './udp-relay.ts';

/** How long tests look at what they change; `SLUICE_PATHS_MS=60000` looks for longer and prints figures. */
export const LOOK_MS = Number(process.env['SLUICE_PATHS_MS'] ?? 8000);

/** Prints what was measured, when longer looks were asked for. */
export function tell(what: string, figures: object): void {
  if (process.env['SLUICE_PATHS_MS'] !== undefined) console.log(what, JSON.stringify(figures));
}

/** Somebody's line to a server, and the address by which those offer who are to use it. */
export interface ClientLine {
  readonly udp: UdpRelay;
  readonly tcp: TcpRelay;
  readonly before: ThroughRelays;
}

/** What happens to the media of a client's line; by UDP alone unless told otherwise. */
export interface LineWish {
  readonly changes?: Partial<Impairment>;
  readonly seed?: number;
  /** The address of this machine by which the client is to come. */
  readonly host?: string;
}

/** A test, which closes at its end what was opened for it. */
type Test = Pick<TestContext, 'onTestFinished'>;

/** Opens a line to a server's media, closed at the end of the test. */
export async function lineTo(test: Test, server: TestServer, wish: LineWish = {}): Promise<ClientLine> {
  const { changes = {}, seed = 1, host } = wish;
  const udp = await UdpRelay.open(server.ports.media, { seed });
  udp.change(changes);
  const tcp = await TcpRelay.open(server.ports.media);
  const before = await ThroughRelays.open(server.httpPort, { host, udp });
  test.onTestFinished(async () => {
    await Promise.all([udp.close(), tcp.close(), before.close()]);
  });
  return { udp, tcp, before };
}

/** A page that plays by WHEP; it has shown some pictures, and is closed at the end of the test. */
export async function playIn(test: Test, pages: Pages, url: string): Promise<SeeingPage> {
  const page = await SeeingPage.play(pages, url);
  test.onTestFinished(() => page.close());
  await page.untilShown(20);
  return page;
}

/** ffmpeg that publishes numbered pictures by RTMP with one bitrate, and notes when it draws each of them. */
export class NumberedPublisher extends Ffmpeg {
  /** On the clock of the machine, by number. */
  readonly drawnMs: number[] = [];
  readonly #rate: number;

  constructor(url: string, source: NumberedSource & { readonly bitrate: number }) {
    const kbits = source.bitrate / 1000;
    const rates = ['-b:v', `${kbits}k`, '-minrate', `${kbits}k`, '-maxrate', `${kbits}k`, '-bufsize', `${kbits / 4}k`];
    const x264 = ['-c:v', 'libx264', '-preset', 'ultrafast', '-profile:v', 'baseline', '-pix_fmt', 'yuv420p'];
    const video = [...x264, '-g', String(source.rate * 2), '-x264-params', 'nal-hrd=cbr:scenecut=0', ...rates];
    const media = [...video, '-c:a', 'aac', '-b:a', '96k', '-f', 'flv', url];
    // A line for each picture before it is encoded.
    const notes = ['-an', '-c:v', 'rawvideo', '-flush_packets', '1', '-f', 'framecrc', '-'];
    super(['-v', 'error', ...numberedInput(source), ...media, ...notes]);
    this.#rate = source.rate;
    this.onLine = (line) => {
      if (line.startsWith('0,')) this.drawnMs.push(nowMs());
    };
  }

  /** When it did not run. */
  get stalls(): Span[] {
    return stallsOf(this.drawnMs, 1000 / this.#rate);
  }
}

/** Begins to publish numbered pictures by RTMP with one bitrate. */
export function publishNumberedByRtmp(
  url: string,
  source: NumberedSource & { readonly bitrate: number },
): NumberedPublisher {
  return new NumberedPublisher(url, source);
}

/** ffmpeg that publishes numbered pictures by RTSP as VP8 with one bitrate, for browsers that decode nothing else. */
export function publishNumberedVp8(url: string, source: NumberedSource & { readonly bitrate: number }): Ffmpeg {
  const rate = String(source.bitrate);
  const rates = ['-b:v', rate, '-minrate', rate, '-maxrate', rate, '-bufsize', String(source.bitrate / 4)];
  const video = ['-c:v', 'libvpx', '-deadline', 'realtime', '-cpu-used', '8', '-g', String(source.rate * 2), ...rates];
  const audio = ['-c:a', 'libopus', '-b:a', '64k'];
  const output = ['-pix_fmt', 'yuv420p', '-f', 'rtsp', '-rtsp_transport', 'tcp', url];
  return new Ffmpeg(['-v', 'error', ...numberedInput(source), ...video, ...audio, ...output]);
}

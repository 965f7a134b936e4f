import { type ChildProcess, spawn } from 'node:child_process';
import type { MediaPacket } from '@sluice/media';
import { afterAll, afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { OutboundAddresses, Publisher, RelayEnd, RelayLink, Stream } from '../../../core/index.ts';
import { testHub } from '../../../core/testing/hub.ts';
import { mp4Clip } from '../../../engine/testing/clips.ts';
import { testEngine } from '../../../engine/testing/run.ts';
import { freeUdpPort } from '../../../engine/testing/srt.ts';
import { Ticker } from '../../../io/index.ts';
import { SrtRelayProtocol } from './relay-protocol.ts';
import { SrtServer } from './server.ts';
import { demuxed, SCENE, WAIT } from './testing/srt-rig.ts';

const { engine } = testEngine();
const children: ChildProcess[] = [];
const tried: Tried[] = [];
let hub: ReturnType<typeof testHub>;
let ticker: Ticker;
let protocol: SrtRelayProtocol;

/** Every name is this machine. */
const outbound: OutboundAddresses = {
  resolve: async (url) => ({ host: 'h', address: '127.0.0.1', family: 4, port: Number(new URL(url).port) }),
};

interface Tried {
  readonly link: RelayLink;
  readonly told: string[];
  readonly ended: RelayEnd[];
}

beforeEach(() => {
  hub = testHub();
  ticker = new Ticker();
  protocol = new SrtRelayProtocol({ ...hub, srt: engine.srt, ticker }, { latencyMs: 40 });
});
afterEach(async () => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  for (const { link } of tried.splice(0)) {
    link.close('test is over');
    await link.ended;
  }
  hub.adaptations.close();
  for (const stream of hub.streams.all()) expect(stream.readerCount).toBe(0);
  hub.streams.close();
});
afterAll(() => engine.close());

function stream(name: string): Stream {
  const publisher: Publisher = { sessionId: `test ${name}`, close: () => undefined };
  return hub.streams.publish(name, publisher);
}

function attempt(direction: 'pull' | 'push', target: Stream, url: string, more: object = {}): Tried {
  const told: string[] = [];
  const events = {
    onConnected: () => void told.push('connected'),
    onMedia: () => void told.push('media'),
    onNote: (text: string) => void told.push(text),
  };
  const times = { connectTimeoutMs: 10_000, stallTimeoutMs: 10_000 };
  const common = { url, remoteStreamName: undefined, mediaSessionId: 'm', outbound, log: hub.log, events, ...times };
  const link =
    direction === 'pull'
      ? protocol.pull({ ...common, ...more, stream: target })
      : protocol.push({ ...common, source: target, streamName: target.name, options: {}, ...more });
  const made: Tried = { link, told, ended: [] };
  void link.ended.then((end) => made.ended.push(end));
  tried.push(made);
  return made;
}

function run(
  program: string,
  args: readonly string[],
): { readonly child: ChildProcess; readonly output: () => Buffer } {
  const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'ignore'] });
  const chunks: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
  children.push(child);
  return { child, output: () => Buffer.concat(chunks) };
}

async function over({ ended }: Tried): Promise<RelayEnd | undefined> {
  await vi.waitFor(() => expect(ended).toHaveLength(1), WAIT);
  return ended[0];
}

/** Three seconds of picture and sound. */
function clip(): Promise<MediaPacket[]> {
  const picture = ['-f', 'lavfi', '-i', 'testsrc2=s=320x180:r=25:d=3', '-f', 'lavfi', '-i', 'sine=d=3'];
  return mp4Clip([...picture, '-c:v', 'libx264', '-g', '10', '-bf', '2', '-pix_fmt', 'yuv420p', '-c:a', 'aac']);
}

describe('relays by SRT', { timeout: 40_000 }, () => {
  it('pull what ffmpeg offers as a listener, with its passphrase, and tell when it ends', async () => {
    const port = await freeUdpPort();
    const options = 'mode=listener&passphrase=correct horse';
    const { child } = run('ffmpeg', ['-v', 'error', ...SCENE, `srt://127.0.0.1:${port}?${options}`]);
    const target = stream('in');
    let pull = attempt('pull', target, `srt://cam:${port}?passphrase=correct%20horse&latency=60`);
    await vi.waitFor(() => {
      // It takes a while to begin.
      if (pull.ended.length > 0) pull = attempt('pull', target, `srt://cam:${port}?passphrase=correct%20horse`);
      expect(pull.told.slice(0, 2)).toEqual(['connected', 'media']);
    }, WAIT);
    await vi.waitFor(() => {
      expect([target.state.video?.codec, target.state.audio?.codec]).toEqual(['h264', 'aac']);
      expect(pull.link.facts()).toMatchObject({ remoteAddress: '127.0.0.1', transport: 'UDP', bytesOut: 0 });
      expect(pull.link.facts().packets).toBeGreaterThan(30);
    }, WAIT);
    child.kill('SIGINT');
    expect((await over(pull))?.code).toBe('ended');
  });

  it('push to srt-live-transmit, from a key frame on, until the stream is over', async () => {
    const port = await freeUdpPort();
    const { output } = run('srt-live-transmit', [
      '-q',
      '-a',
      'no',
      `srt://127.0.0.1:${port}?mode=listener`,
      'file://con',
    ]);
    const source = stream('out');
    const packets = await clip();
    let at = 0;
    const feed = ticker.on(() => {
      for (let i = 0; i < 3 && at < packets.length; i++) {
        const packet = packets[at++];
        if (packet !== undefined) source.publish(packet);
      }
    });
    let push = attempt('push', source, `srt://there:${port}`);
    await vi.waitFor(() => {
      if (push.ended.length > 0) push = attempt('push', source, `srt://there:${port}`);
      expect(push.told).toEqual(['connected', 'media']);
    }, WAIT);
    await vi.waitFor(() => expect(at).toBe(packets.length), WAIT);
    feed[Symbol.dispose]();
    hub.streams.end(source, 'test');
    expect(await over(push)).toMatchObject({ code: 'closed', message: 'the stream is over' });
    const whole = packets.filter(({ track }) => track.kind === 'video').length;
    await vi.waitFor(() => {
      const video = demuxed(output()).packets.filter(({ track }) => track.kind === 'video');
      expect([video[0]?.key, video.length >= whole - 1]).toEqual([true, true]);
    }, WAIT);
    expect(push.link.facts().packets).toBeGreaterThan(whole);
  });

  it('go from one server of ours to another by stream ids, and hear its refusals', async () => {
    const other = testHub();
    const server = new SrtServer(
      { ...other, resolvers: [], srt: engine.srt, ticker },
      { address: '127.0.0.1', port: 0, latencyMs: 40, playWaitMs: 100 },
    );
    await server.start();
    const source = stream('out');
    const packets = await clip();
    for (const packet of packets) source.publish(packet);
    const url = `srt://there:${server.port}?streamid=#!::r=there,m=publish`;
    const push = attempt('push', source, url);
    await vi.waitFor(() => expect(other.streams.get('there')?.state.video?.codec).toBe('h264'), WAIT);
    const back = stream('back');
    const pull = attempt('pull', back, `srt://there:${server.port}`, { remoteStreamName: 'there' });
    await vi.waitFor(() => expect(back.state.video?.codec).toBe('h264'), WAIT);
    expect(pull.told.slice(0, 2)).toEqual(['connected', 'media']);
    expect((await over(attempt('push', source, url)))?.code).toBe('refused');
    expect((await over(attempt('pull', back, `srt://there:${server.port}?streamid=read:nothing`)))?.code).toBe(
      'refused',
    );
    push.link.close('test');
    expect(await over(push)).toEqual({ code: 'closed', message: 'test' });
    await vi.waitFor(() => expect(other.streams.get('there')).toBeUndefined(), WAIT);
    await server.close();
    other.adaptations.close();
    other.streams.close();
  });

  it('end when nobody answers, and when what comes is of no use', async () => {
    const times = { connectTimeoutMs: 500 };
    const nobody = attempt('pull', stream('a'), `srt://there:${await freeUdpPort()}`, times);
    expect((await over(nobody))?.code).toBe('unreachable');
    const port = await freeUdpPort();
    const { child } = run('srt-live-transmit', ['-q', 'file://con', `srt://127.0.0.1:${port}?mode=listener`]);
    const junk = setInterval(() => child.stdin?.write(Buffer.alloc(1316, 7)), 20);
    child.stdin?.on('error', () => undefined);
    await vi.waitFor(async () => {
      const useless = attempt('pull', stream(`b${tried.length}`), `srt://there:${port}`, { connectTimeoutMs: 1500 });
      expect((await over(useless))?.code).toBe('invalid');
    }, WAIT);
    clearInterval(junk);
  });

  it.each([
    ['srt://host', 'form'],
    ['srt://host:0', 'form'],
    ['srt://user@host:5', 'form'],
    ['srt://host:9000?mode=listener', '/mpegts/startup'],
    ['srt://host:9000?mode=rendezvous', 'not possible'],
    ['srt://host:9000?passphrase=short', '10 to 79'],
    ['srt://host:9000?latency=120000us', 'milliseconds'],
    ['srt://host:9000?latency=120000', 'milliseconds'],
    [`srt://host:9000?streamid=${'x'.repeat(513)}`, '512'],
  ])('refuse %s', (url, words) => {
    const refused = expect.objectContaining({ code: 'URL_INVALID', message: expect.stringContaining(words) });
    expect(() => protocol.check(url)).toThrow(refused);
  });
});

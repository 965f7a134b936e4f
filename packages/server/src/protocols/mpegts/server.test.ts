import { execFileSync } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { mutate, prng } from '../../../../media/src/testing/mutate.ts';
import type { InputPortEvents, InputPortOpen } from './input-port.ts';
import { TransportStreamServer } from './server.ts';
import { datagramsOf, inRtp, MpegtsRig } from './testing/rig.ts';

/** Two seconds of H.264 and AAC: 50 pictures, two of them key pictures, and 94 or 95 frames of sound. */
let clip: Uint8Array[];
let later: Uint8Array[];

function encode(offsetS: number): Uint8Array[] {
  const inputs = [
    '-f',
    'lavfi',
    '-i',
    'testsrc2=size=160x120:rate=25:duration=2',
    '-f',
    'lavfi',
    '-i',
    'sine=r=48000:d=2',
  ];
  const video = ['-c:v', 'libx264', '-preset', 'ultrafast', '-g', '25', '-pix_fmt', 'yuv420p'];
  const output = ['-c:a', 'aac', '-output_ts_offset', String(offsetS), '-f', 'mpegts', '-'];
  return datagramsOf(new Uint8Array(execFileSync('ffmpeg', ['-v', 'error', ...inputs, ...video, ...output])));
}

beforeAll(() => {
  clip = encode(0);
  later = encode(500);
}, 20_000);

let rig: MpegtsRig;
beforeEach(() => {
  rig = new MpegtsRig();
});
afterEach(() => rig.close());

const kinds = (packets: readonly { track: { kind: string } }[]): string[] => [
  ...new Set(packets.map(({ track }) => track.kind)),
];

describe('inputs', () => {
  it('take their name at once, and are sessions once media comes', async () => {
    const { facts, port, stream } = await rig.input({ host: 'media.example', record: true, appKey: 'app' });
    expect(facts).toMatchObject({
      uri: `udp://media.example:${port}`,
      receiving: false,
      timeoutMs: 90_000,
      maxTimestampDiffS: 1,
      allowedList: [],
      notes: [],
    });
    expect(stream.live).toBe(true);
    expect(stream.publisher?.recording).toMatchObject({ wanted: true, appKey: 'app' });
    expect(rig.hub.sessions.size).toBe(0);
    await expect(rig.input()).rejects.toMatchObject({ code: 'STREAM_NAME_BUSY', status: 409 });
    expect(rig.server.all().length).toBe(1);
    await (await rig.sender(port)).send(clip);
    await vi.waitFor(() => expect(rig.hub.sessions.get(facts.mediaSessionId)).toBeDefined());
    expect(rig.hub.sessions.get(facts.mediaSessionId)?.describe()).toMatchObject({
      appKey: 'app',
      remoteAddress: '127.0.0.1',
    });
    expect(rig.hub.counters.of('mpegts_inputs')).toBe(1);
  });

  it('leave out what they were told to', async () => {
    const sound = await rig.input({ streamName: 'sound', hasVideo: false });
    const picture = await rig.input({ streamName: 'picture', hasAudio: false });
    for (const { port } of [sound, picture]) await (await rig.sender(port)).send(clip);
    await vi.waitFor(() => expect(Math.min(sound.packets.length, picture.packets.length)).toBeGreaterThan(40));
    expect([kinds(sound.packets), kinds(picture.packets)]).toEqual([['audio'], ['video']]);
  });

  it('end when nothing comes for their timeout, also if nothing ever came', async () => {
    const silent = await rig.input({ streamName: 'silent', timeoutMs: 300 });
    const fed = await rig.input({ streamName: 'fed', timeoutMs: 800 });
    await (await rig.sender(fed.port)).send(clip);
    await vi.waitFor(() => expect(silent.stream.ended).toBe(true));
    expect(rig.server.all().map(({ streamName }) => streamName)).toEqual(['fed']);
    await vi.waitFor(() => expect(fed.stream.ended).toBe(true));
    // The name and the port are free again.
    const again = await rig.input({ streamName: 'fed', port: fed.port });
    expect(again.port).toBe(fed.port);
  });

  it('do not live on datagrams that hold no transport stream', async () => {
    const { port, stream, packets } = await rig.input({ timeoutMs: 600 });
    const random = prng(5);
    const sender = await rig.sender(port);
    const junk = (): Uint8Array => Uint8Array.from({ length: 1316 }, () => random() * 256);
    await vi.waitFor(
      async () => {
        await sender.send([junk(), Uint8Array.of(), Uint8Array.of(0x80, 33), new Uint8Array(1316)]);
        expect(stream.ended).toBe(true);
      },
      { timeout: 5000, interval: 50 },
    );
    expect(packets).toEqual([]);
  });

  it('get the ports of their range in turn, and fail when all are taken', async () => {
    const probe = await rig.input({ streamName: 'probe' });
    rig.server.end(() => true, 'test');
    await rig.close();
    rig = new MpegtsRig({ ports: { from: probe.port, to: probe.port + 2 } });
    const ports = new Set<number>();
    for (const streamName of ['a', 'b', 'c']) ports.add((await rig.input({ streamName })).port);
    expect(ports.size).toBe(3);
    await expect(rig.input({ streamName: 'd' })).rejects.toMatchObject({ code: 'PORT_IN_USE' });
    expect(rig.hub.streams.get('d')).toBeUndefined();
    await expect(rig.input({ streamName: 'd', port: probe.port })).rejects.toMatchObject({ code: 'PORT_IN_USE' });
  });

  it.each([
    [{ allowedList: ['10.0.0.0/33'] }, /no address and no network/],
    [{ allowedList: ['example.org'] }, /no address and no network/],
    [{ port: 70_000 }, /port 70000/],
    [{ group: '10.1.2.3' }, /no multicast group/],
    [{ transport: 'srt' as const }, /no SRT/],
  ])('are refused for what can not be used: %j', async (start, message) => {
    await expect(rig.input(start)).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      message: expect.stringMatching(message),
    });
    expect(rig.server.all()).toEqual([]);
    expect(rig.hub.streams.size).toBe(0);
  });

  it('that are ended while their port is opened leave nothing behind', async () => {
    const opening = rig.input();
    rig.server.end(() => true, 'test');
    await expect(opening).rejects.toMatchObject({ code: 'STREAM_NOT_FOUND' });
    const atStop = rig.input();
    const closing = rig.server.close();
    await expect(atStop).rejects.toMatchObject({ code: 'STREAM_NOT_FOUND' });
    await closing;
    expect(rig.hub.streams.size).toBe(0);
  });

  it('join a multicast group', async () => {
    const group = '239.255.77.1';
    const { facts, port, packets } = await rig.input({ group });
    expect(facts.uri).toBe(`udp://${group}:${port}`);
    const socket = createSocket('udp4');
    await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve));
    socket.setMulticastInterface('127.0.0.1');
    for (const [i, datagram] of clip.entries()) {
      await new Promise<void>((resolve) => socket.send(datagram, port, group, () => resolve()));
      if (i % 8 === 7) await new Promise((resolve) => setTimeout(resolve, 2));
    }
    socket.close();
    await vi.waitFor(() => expect(packets.length).toBeGreaterThan(100));
  });
});

describe('senders', () => {
  it('that are not in the list are turned away and counted; those in its networks are not', async () => {
    const closed = await rig.input({ streamName: 'closed', allowedList: ['192.0.2.1', '10.0.0.0/8'] });
    const open = await rig.input({ streamName: 'open', allowedList: ['192.0.2.1', '127.0.0.0/8'] });
    for (const { port } of [closed, open]) await (await rig.sender(port)).send(clip);
    await vi.waitFor(() => expect(open.packets.length).toBeGreaterThan(100));
    await vi.waitFor(() => expect(rig.hub.counters.of('mpegts_denied')).toBe(clip.length));
    expect(closed.packets).toEqual([]);
    expect(rig.server.all()[0]?.notes).toEqual([
      'somebody who is not in the list of allowed senders has tried to send',
    ]);
  });

  it('do not disturb one who sends; when that one is silent the next one begins anew, and time goes on', async () => {
    const { port, packets, stream } = await rig.input();
    const first = await rig.sender(port);
    const second = await rig.sender(port);
    await first.send(clip.slice(0, 20));
    await vi.waitFor(() => expect(packets.length).toBeGreaterThan(0));
    await Promise.all([first.send(clip.slice(20)), second.send(later)]);
    await vi.waitFor(() => expect(packets.length).toBeGreaterThan(140));
    expect(stream.state.epoch).toBe(0);
    const before = packets.length;
    const lastUs = stream.lastDtsUs;
    await vi.waitFor(async () => {
      await second.send(inRtp(later));
      expect(packets.length).toBeGreaterThan(before + 100);
    });
    expect(stream.state.epoch).toBe(1);
    const after = packets.slice(before);
    expect(after[0]?.dtsUs).toBeGreaterThan(lastUs);
    expect(after[0]?.dtsUs).toBeLessThan(lastUs + 1_000_000);
    expect(after.find(({ track }) => track.kind === 'video')?.key).toBe(true);
  });

  it('whose datagrams come twice lose nothing', async () => {
    const { port, packets } = await rig.input();
    await (await rig.sender(port)).send(clip.flatMap((datagram) => [datagram, datagram]));
    await vi.waitFor(() => expect(packets.length).toBeGreaterThanOrEqual(50 + 94 - 2));
    expect(rig.hub.counters.of('mpegts_bad_packets')).toBe(0);
  });

  it('whose clock jumps go on where the stream stands, sound and picture together', async () => {
    const { port, packets, stream } = await rig.input();
    const sender = await rig.sender(port);
    await sender.send(clip);
    await sender.send(later);
    await vi.waitFor(() => expect(packets.length).toBeGreaterThanOrEqual(2 * 140));
    expect(rig.hub.counters.of('source_clock_breaks')).toBeGreaterThan(0);
    expect(stream.state.epoch).toBe(0);
    const first = Math.min(...packets.map(({ dtsUs }) => dtsUs));
    // Four seconds of media, whatever the clock of the sender said.
    expect(stream.lastDtsUs - first).toBeGreaterThan(3_700_000);
    expect(stream.lastDtsUs - first).toBeLessThan(4_400_000);
    for (const kind of ['video', 'audio']) {
      const own = packets.filter(({ track }) => track.kind === kind).map(({ dtsUs }) => dtsUs);
      expect(own.every((time, i) => i === 0 || time >= (own[i - 1] ?? 0))).toBe(true);
    }
  });

  it('may jump as far as they were allowed to, then their gaps are kept', async () => {
    const { port, packets, stream } = await rig.input({ maxTimestampDiffS: 3600 });
    const sender = await rig.sender(port);
    await sender.send([...clip, ...later]);
    await vi.waitFor(() => expect(packets.length).toBeGreaterThanOrEqual(2 * 140));
    expect(rig.hub.counters.of('source_clock_breaks')).toBe(0);
    const first = Math.min(...packets.map(({ dtsUs }) => dtsUs));
    expect(stream.lastDtsUs - first).toBeGreaterThan(500_000_000);
  });

  it('of broken datagrams of all kinds hurt nobody', async () => {
    const { port, stream } = await rig.input();
    const random = prng(99);
    const sender = await rig.sender(port);
    const sent = [...clip, ...inRtp(clip)];
    for (let round = 0; round < 4; round++) await sender.send(sent.map((datagram) => mutate(datagram, random)));
    expect(stream.live).toBe(true);
    expect(rig.server.all().length).toBe(1);
  });
});

describe('SRT', () => {
  it('is opened by whoever can, and ends when its sender goes', async () => {
    const opened: { open: InputPortOpen; events: InputPortEvents }[] = [];
    let closed = 0;
    const server = new TransportStreamServer(
      {
        ...rig.hub,
        ticker: { intervalMs: 20, on: () => ({ [Symbol.dispose]: () => {} }) } as never,
        openSrt: async (open, events) => {
          opened.push({ open, events });
          return { port: 31_014, close: async () => void closed++ };
        },
      },
      { host: 'host' },
    );
    const facts = await server.startup({
      streamName: 'srt',
      transport: 'srt',
      passphrase: 'correct horse',
      latencyMs: 200,
      allowedList: ['192.0.2.7'],
    });
    expect(facts).toMatchObject({ uri: 'srt://host:31014', protocol: 'srt', receiving: false });
    const [{ open, events } = { open: undefined, events: undefined }] = opened;
    expect(open).toMatchObject({ passphrase: 'correct horse', latencyMs: 200, ports: { from: 31_010, to: 31_999 } });
    expect([open?.allowed.allows('192.0.2.7'), open?.allowed.allows('192.0.2.8')]).toEqual([true, false]);
    events?.onSender('192.0.2.7');
    for (const bytes of clip) events?.onData(bytes);
    expect(server.all()).toMatchObject([{ receiving: true, hasVideo: true, hasAudio: true }]);
    expect(rig.hub.sessions.get(facts.mediaSessionId)?.describe()).toMatchObject({
      protocol: 'srt',
      mediaProvider: 'MPEGTS',
    });
    events?.onClosed('the caller has gone');
    expect(server.all()).toEqual([]);
    expect(rig.hub.streams.size).toBe(0);
    expect(closed).toBe(1);
    await server.close();
  });
});

import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { commandOf } from './testing/client.ts';
import { avcFrame, RtmpRig } from './testing/rig.ts';
import { MESSAGE } from './wire/chunk-writer.ts';

let rig: RtmpRig;

beforeEach(async () => {
  rig = await RtmpRig.start();
});

afterEach(() => rig.close());

/** Lengths of the pictures, which say which is which. */
function lengths(): number[] {
  const { log } = rig.hub.streams.get('cam') ?? expect.fail('no stream');
  const all: number[] = [];
  for (let i = log.start; i < log.end; i++) all.push(log.at(i)?.packet.byteLength ?? -1);
  return all;
}

it('publishers rest while nobody watches, and lose no packet by it', async () => {
  const publisher = await rig.publisher('cam');
  const sent: number[] = [];
  const send = (count: number): void => {
    for (let i = 0; i < count; i++) {
      publisher.send(MESSAGE.video, avcFrame(sent.length === 0, 100 + sent.length), sent.length * 33);
      sent.push(100 + sent.length);
    }
  };
  send(5);
  const { rested } = rig.server;
  await vi.waitFor(() => expect(rested?.size).toBe(1), { timeout: 5000 });
  send(40);
  await vi.waitFor(() => expect(lengths()).toEqual(sent));
  const viewer = await rig.client();
  await viewer.play('cam');
  await vi.waitFor(() => expect(rested?.size).toBe(0));
  send(40);
  await vi.waitFor(() => expect(lengths()).toEqual(sent));
  await vi.waitFor(() =>
    expect(viewer.messages.filter(({ type, payload }) => type === MESSAGE.video && payload[1] === 1)).toHaveLength(85),
  );
  const bytesIn = [...rig.hub.connections.all()].map((connection) => connection.describe().bytesIn);
  expect(Math.max(...bytesIn)).toBeGreaterThan(sent.reduce((sum, length) => sum + length));
});

it('the first reader has its publisher read at once', async () => {
  const publisher = await rig.publisher('cam');
  publisher.send(MESSAGE.video, avcFrame(true));
  await vi.waitFor(() => expect(rig.server.rested?.size).toBe(1), { timeout: 5000 });
  const stream = rig.hub.streams.get('cam') ?? expect.fail('no stream');
  const reader = stream.attach({ startAt: 'live', onReadable: () => {}, onEnd: () => {} });
  expect(rig.server.rested?.size).toBe(0);
  reader.close();
});

it('a publisher that comes back while it rests has its name', async () => {
  const first = await rig.publisher('cam');
  first.send(MESSAGE.video, avcFrame(true));
  for (let round = 0; round < 3; round++) {
    await vi.waitFor(() => expect(rig.server.rested?.size).toBe(1), { timeout: 5000 });
    const next = await rig.client();
    rig.clients.at(-2)?.socket.destroy();
    next.command('releaseStream', 9, null, 'cam');
    await next.until((message) => commandOf(message)?.[1] === 9);
    expect(await next.publish('cam')).toMatchObject({ code: 'NetStream.Publish.Start' });
    next.send(MESSAGE.video, avcFrame(true));
  }
});

it('a publisher that leaves while it rests has left', async () => {
  const publisher = await rig.publisher('cam');
  publisher.send(MESSAGE.video, avcFrame(true));
  await vi.waitFor(() => expect(rig.server.rested?.size).toBe(1), { timeout: 5000 });
  await publisher.close();
  await vi.waitFor(() => expect(rig.hub.streams.get('cam')?.live ?? false).toBe(false));
  expect(rig.server.rested?.size).toBe(0);
});

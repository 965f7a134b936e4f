import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { MediaPacket } from '@sluice/media';
import { afterEach, describe, expect, it } from 'vitest';
import type { SnapshotRequest } from '../core/index.ts';
import { testHub } from '../core/testing/hub.ts';
import { mp4Clip } from '../engine/testing/clips.ts';
import { BLUE, type Colour, decodePicture, distance, GREEN, RED } from '../engine/testing/pictures.ts';
import { isAlive, testEngine, until } from '../engine/testing/run.ts';
import {
  DEFAULT_SNAPSHOT_MOUNT_OPTIONS,
  DEFAULT_SNAPSHOT_OPTIONS,
  SnapshotMount,
  SnapshotServer,
} from '../snapshots/index.ts';

/** Red, green and blue for a second each; a key frame every two seconds. */
const CLIP = [
  ...['-f', 'lavfi', '-i'],
  ['0xff0000', '0x00ff00', '0x0000ff']
    .map((colour, index) => `color=${colour}:s=640x360:r=10:d=1[c${index}]`)
    .concat('[c0][c1][c2]concat=n=3,format=yuv420p')
    .join(';'),
  ...['-c:v', 'libx264', '-preset', 'veryfast', '-g', '20', '-sc_threshold', '0', '-bf', '2'],
];

const open: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const part of open.splice(0).reverse()) await part.close();
});

/** A hub whose pictures are made by an engine, and one stream in it with so many packets of the clip. */
async function start(options: { packets?: number; idleMs?: number } = {}) {
  const hub = testHub();
  const { engine } = testEngine({ idleMs: options.idleMs ?? 60_000 });
  const snapshots = new SnapshotServer({ ...hub, pictures: engine.pictures }, DEFAULT_SNAPSHOT_OPTIONS);
  open.push(engine, snapshots);
  const clip = await mp4Clip(CLIP);
  const publish = (name: string, packets: readonly MediaPacket[] = clip.slice(0, options.packets)) => {
    const stream = hub.streams.publish(name, { sessionId: name, close: () => {} });
    for (const packet of packets) stream.publish(packet);
    return stream;
  };
  const take = (request: Partial<SnapshotRequest> = {}) => {
    const { signal } = new AbortController();
    return snapshots.take({ streamName: 'cam', format: 'png', which: 'newest', signal, ...request });
  };
  return { hub, engine, snapshots, publish, take };
}

function expectColour(file: Uint8Array, wanted: Colour): void {
  const seen = decodePicture(file).at(0.5, 0.5);
  expect({ seen, near: distance(seen, wanted) < 25 }).toEqual({ seen, near: true });
}

describe('a picture of a live stream', { timeout: 60_000 }, () => {
  it('shows this moment, or the last key frame', async () => {
    for (const [packets, newest, key] of [
      [15, GREEN, RED],
      [30, BLUE, BLUE],
      [5, RED, RED],
    ] as const) {
      const { publish, take } = await start({ packets });
      publish('cam');
      expectColour(await take(), newest);
      expectColour(await take({ which: 'key', format: 'jpeg' }), key);
    }
  });

  it('is bounded in what a thousand who ask at once cost, and leaves nothing behind', async () => {
    const { publish, take, engine, snapshots, hub } = await start({ idleMs: 200 });
    for (let i = 0; i < 10; i++) publish(`cam${i}`);
    const handles = process.getActiveResourcesInfo().length;
    const files = await Promise.all(
      Array.from({ length: 1000 }, (_, i) =>
        take({ streamName: `cam${i % 10}`, format: i % 20 < 10 ? 'png' : 'jpeg' }),
      ),
    );
    expect(files).toHaveLength(1000);
    for (const file of files.slice(0, 20)) expectColour(file, BLUE);
    expect(hub.counters.of('snapshots_taken')).toBe(20);
    const pids = engine.stats().workers.flatMap(({ pid }) => pid ?? []);
    // One may have had nothing to do for so long already that it ended.
    expect(pids.length).toBeGreaterThan(0);
    expect(pids.length).toBeLessThanOrEqual(2);
    await until(() => engine.stats().workers.length === 0 && !pids.some(isAlive), 'the workers end');
    await until(() => process.getActiveResourcesInfo().length <= handles, 'no handle is left');
    expect([snapshots.pending, hub.streams.get('cam0')?.readerCount]).toEqual([0, 0]);
  });

  it('comes from the address of the stream in the size that is asked for', async () => {
    const { hub, snapshots, publish } = await start();
    publish('door/front');
    const mount = new SnapshotMount({ ...hub, snapshots }, DEFAULT_SNAPSHOT_MOUNT_OPTIONS);
    const server = createServer((request, response) => mount.request(request, response)).listen(0, '127.0.0.1');
    await once(server, 'listening');
    open.push({
      close: async () => {
        await mount.close();
        server.closeAllConnections();
        await new Promise((resolve) => server.close(resolve));
      },
    });
    const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}/snapshot/door/front`;
    for (const [path, format, width, height] of [
      ['.jpg?width=320', 'mjpeg', 320, 180],
      ['.png?height=160', 'png', 284, 160],
      ['.jpg', 'mjpeg', 640, 360],
    ] as const) {
      const file = new Uint8Array(await (await fetch(base + path)).arrayBuffer());
      expect(decodePicture(file)).toMatchObject({ format, width, height });
      expectColour(file, BLUE);
    }
  });
});

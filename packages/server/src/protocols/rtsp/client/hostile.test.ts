import { afterEach, expect, test } from 'vitest';
import { mutate, prng } from '../../../../../media/src/testing/mutate.ts';
import { RtspHeaders } from '../wire/headers.ts';
import { writeInterleaved, writeResponse } from '../wire/writer.ts';
import { PullRig } from './testing/pull-rig.ts';
import { AUDIO_SDP, ordinaryAnswer, ScriptedCamera, VIDEO_SDP } from './testing/scripted-camera.ts';
import { SyntheticVideo } from './testing/synthetic-video.ts';

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** A camera of which each answer, description and packet is damaged now and then, by a seed. */
async function damagedCamera(seed: number): Promise<ScriptedCamera> {
  const random = prng(seed);
  const maybe = (bytes: Uint8Array, chance: number): Uint8Array => (random() < chance ? mutate(bytes, random) : bytes);
  const camera = await ScriptedCamera.start((request, { socket }) => {
    const { status = 200, headers = {}, body = '' } = ordinaryAnswer(request, VIDEO_SDP + AUDIO_SDP);
    const damagedBody = Buffer.from(maybe(Buffer.from(body), 0.5)).toString('latin1');
    const all = RtspHeaders.of({ CSeq: request.headers.get('CSeq'), ...headers });
    socket.write(maybe(writeResponse({ status, headers: all, body: damagedBody }), 0.15));
    if (request.method !== 'PLAY') return undefined;
    const video = new SyntheticVideo();
    for (let i = 0; i < 30; i++) {
      for (const packet of video.next()) socket.write(maybe(writeInterleaved(0, maybe(packet, 0.2)), 0.02));
      socket.write(writeInterleaved(1, maybe(Uint8Array.of(0x81, 200, 0, 6, ...new Uint8Array(24)), 0.8)));
    }
    return undefined;
  });
  cleanups.push(() => camera.close());
  return camera;
}

test('whatever is wrong with what a camera says, an attempt ends with a reason that people can read', async () => {
  const ends = new Map<string, number>();
  for (let seed = 0; seed < 160; seed += 16) {
    const runs = Array.from({ length: 16 }, async (_, i) => {
      const camera = await damagedCamera(seed + i);
      const pulling = new PullRig({}, { connectTimeoutMs: 400, stallTimeoutMs: 250 });
      cleanups.push(() => pulling.close());
      const end = await pulling.pull(camera.url).ended;
      expect(
        pulling.hub.log.lines.filter(({ level }) => level === 'error'),
        `seed ${seed + i}`,
      ).toEqual([]);
      expect(end.message).not.toBe('');
      ends.set(end.code, (ends.get(end.code) ?? 0) + 1);
    });
    await Promise.all(runs);
  }
  expect(
    [...ends.keys()].every((code) =>
      ['unreachable', 'invalid', 'stalled', 'ended', 'refused', 'not_found'].includes(code),
    ),
  ).toBe(true);
  // How many of each depends on how quick the machine is.
  expect(ends.get('stalled')).toBeGreaterThan(0);
  expect(ends.get('invalid')).toBeGreaterThan(0);
});

test('a camera that asks without end and does not read its answers is let go of', async () => {
  const camera = await ScriptedCamera.start((request, connection) => {
    if (request.method !== 'PLAY') return ordinaryAnswer(request);
    connection.answer(request, ordinaryAnswer(request));
    connection.socket.pause();
    const more = (): void => {
      while (!connection.socket.destroyed && connection.socket.writableLength < 1_000_000) connection.ask('OPTIONS');
      if (!connection.socket.destroyed) setImmediate(more);
    };
    more();
    return undefined;
  });
  cleanups.push(() => camera.close());
  const pulling = new PullRig();
  cleanups.push(() => pulling.close());
  const link = pulling.pull(camera.url);
  expect(await link.ended).toEqual({ code: 'stalled', message: expect.stringMatching(/does not read/) });
});

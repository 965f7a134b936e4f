import type { MediaPacket } from '@sluice/media';
import { afterEach, beforeAll, beforeEach, expect, it, vi } from 'vitest';
import { encodedClip, shifted } from '../testing/clip.ts';
import { RelayRig } from '../testing/relay-rig.ts';
import { type HeardMedia, ScriptedServer } from '../testing/scripted-server.ts';

let clip: MediaPacket[];
let server: ScriptedServer;
let rig: RelayRig;

beforeAll(async () => {
  clip = await encodedClip();
});

beforeEach(async () => {
  server = await ScriptedServer.start();
  rig = new RelayRig();
});

afterEach(async () => {
  await rig.close();
  await server.stop();
});

function pictures(media: readonly HeardMedia[]): HeardMedia[] {
  return media.filter(({ kind, body }) => kind === 'video' && body[1] === 1);
}

it('pushes of a stream share what is encoded, and each one’s time begins with 0', async () => {
  const source = rig.stream('cam');
  const first = rig.push(source, server.url('one'));
  await vi.waitFor(() => expect(first.connected).toBe(1));
  const hourUs = 3_600_000_000;
  for (const packet of shifted(clip, hourUs)) source.publish(packet);
  const second = rig.push(source, server.url('two'));
  await vi.waitFor(() => expect(second.media).toBe(1));
  expect(source.readerCount).toBe(1);
  for (const packet of shifted(clip, hourUs + 2_000_000)) source.publish(packet);
  const frames = clip.filter(({ track }) => track.kind === 'video').length;
  const [one, two] = server.peers;
  await vi.waitFor(() => expect(pictures(one?.media ?? [])).toHaveLength(2 * frames));
  const all = pictures(one?.media ?? []);
  await vi.waitFor(() => expect(pictures(two?.media ?? []).at(-1)?.body).toEqual(all.at(-1)?.body));
  const late = pictures(two?.media ?? []);
  expect([all[0]?.timestamp, late[0]?.timestamp]).toEqual([0, 0]);
  // The later one began with the newest key frame, and has the same from there on.
  const missed = all.length - late.length;
  const startMs = all[missed]?.timestamp ?? 0;
  expect(missed).toBeGreaterThan(0);
  expect(late.map(({ timestamp, body }) => [timestamp + startMs, body])).toEqual(
    all.slice(missed).map(({ timestamp, body }) => [timestamp, body]),
  );
  await first.close();
  expect(second.end).toBeUndefined();
});

it('a track that nothing can be made of is left out with a note', async () => {
  const source = rig.stream('cam');
  const track = { id: 1, kind: 'audio', codec: 'g722', clockRate: 16_000, parameters: [] } as const;
  source.setTrack(track);
  const push = rig.push(source, server.url('live'));
  await vi.waitFor(() => expect(push.notes).toEqual(['audio is left out: the server does not take G.722']));
});

it('a connection to a name by TLS tells that name, one to an address tells none', async () => {
  const { createServer } = await import('node:tls');
  const names: (string | undefined)[] = [];
  const secure = createServer({
    SNICallback: (name, done) => {
      names.push(name);
      done(new Error('enough is known'));
    },
  });
  secure.on('tlsClientError', () => {});
  await new Promise<void>((resolve) => secure.listen(0, '127.0.0.1', () => resolve()));
  const address = secure.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  const source = rig.stream('cam');
  const named = rig.push(source, `rtmps://ingest.example:${port}/live`);
  const numbered = rig.push(source, `rtmps://127.0.0.1:${port}/live`);
  await vi.waitFor(() => expect([named.end, numbered.end]).not.toContain(undefined));
  expect(names).toEqual(['ingest.example']);
  await new Promise((resolve) => secure.close(resolve));
});

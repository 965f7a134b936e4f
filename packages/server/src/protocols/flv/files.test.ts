import { afterEach, expect, it, vi } from 'vitest';
import { END_OF_FILE, ENDING_INFO } from '../../core/index.ts';
import { PersonalStreams } from '../../core/testing/personal-streams.ts';
import { FlvFixture } from './testing/flv-fixture.ts';
import { AUDIO, packet, VIDEO } from './testing/packets.ts';

const PACKETS = [packet(VIDEO, 0, { key: true }), packet(AUDIO, 0), packet(VIDEO, 40, { key: false })];

let fixture: FlvFixture;

afterEach(() => fixture.close());

async function start(): Promise<PersonalStreams> {
  const files = new PersonalStreams(PACKETS);
  fixture = await FlvFixture.start({}, { resolvers: () => [files] });
  return files;
}

it('a viewer of a personal stream gets it from its first packet on, beginning where the address says', async () => {
  const files = await start();
  const viewer = await fixture.view('/flv/vod%3A%2F%2Fa.mp4.flv?start=12.5');
  await vi.waitFor(() => expect(viewer.summary).toMatch(/ V0 a0 v40$/));
  expect(files.requests[0]?.startUs).toBe(12_500_000);
  files.streams[0]?.end(END_OF_FILE);
  await viewer.ended;
  expect(files.streams[0]?.viewers).toBe(0);
});

it('a viewer of a file without sound is not kept waiting for it', async () => {
  const files = new PersonalStreams([packet(VIDEO, 0, { key: true })]);
  fixture = await FlvFixture.start({ trackWaitMs: 60_000 }, { resolvers: () => [files] });
  const viewer = await fixture.view('/flv/vod%3A%2F%2Fa.mp4.flv');
  await vi.waitFor(() => expect(viewer.summary).toMatch(/ V0$/));
  expect(viewer.header).toEqual({ video: true, audio: false });
});

it('a viewer of a file that fails while it plays is let go', async () => {
  const files = await start();
  const viewer = await fixture.view('/flv/vod%3A%2F%2Fa.mp4.flv');
  await vi.waitFor(() => expect(viewer.tags.length).toBeGreaterThan(3));
  files.streams[0]?.end(ENDING_INFO.brokenFile);
  await viewer.ended;
  await expect.poll(() => fixture.flv.viewerCount).toBe(0);
});

it('files that are not there or can not be played are refused with 404 and 400', async () => {
  await start();
  expect((await fixture.refusal('/flv/vod%3A%2F%2Fnone.mp4.flv')).status).toBe(404);
  expect((await fixture.refusal('/flv/vod%3A%2F%2Fbad.mp4.flv')).status).toBe(400);
});

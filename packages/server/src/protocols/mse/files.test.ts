import { afterEach, expect, it, vi } from 'vitest';
import { END_OF_FILE, ENDING_INFO } from '../../core/index.ts';
import { PersonalStreams } from '../../core/testing/personal-streams.ts';
import { MseFixture } from './testing/mse-fixture.ts';
import { AUDIO, packet, VIDEO } from './testing/packets.ts';

const PACKETS = [packet(VIDEO, 0, { key: true }), packet(AUDIO, 0), packet(VIDEO, 40, { key: false })];

let fixture: MseFixture;

afterEach(() => fixture.close());

async function start(packets = PACKETS): Promise<PersonalStreams> {
  const files = new PersonalStreams(packets);
  fixture = await MseFixture.start({ trackWaitMs: 60_000 }, { resolvers: () => [files] });
  return files;
}

it('a viewer of a personal stream gets it from its first packet on, beginning where the address says', async () => {
  const files = await start();
  const viewer = await fixture.view('/mse/vod%3A%2F%2Fa.mp4?start=12.5');
  await vi.waitFor(() => expect(viewer.order).toEqual(['init', 'ftyp', 'moof', 'moof', 'moof']));
  expect(files.requests[0]?.startUs).toBe(12_500_000);
  files.streams[0]?.end(END_OF_FILE);
  expect((await viewer.closed).code).toBe(1000);
  expect(files.streams[0]?.viewers).toBe(0);
});

it('a viewer of a file without sound is not kept waiting for it', async () => {
  await start([packet(VIDEO, 0, { key: true })]);
  const viewer = await fixture.view('/mse/vod%3A%2F%2Fa.mp4');
  await vi.waitFor(() => expect(viewer.texts[0]).toMatchObject({ codecs: 'video/mp4; codecs="avc1.42C01E"' }));
});

it('a viewer of a file that fails while it plays is told so', async () => {
  const files = await start();
  const viewer = await fixture.view('/mse/vod%3A%2F%2Fa.mp4');
  await vi.waitFor(() => expect(viewer.messages.length).toBeGreaterThan(3));
  files.streams[0]?.end(ENDING_INFO.brokenFile);
  expect((await viewer.closed).code).toBe(4502);
  expect(viewer.texts.at(-1)).toMatchObject({ type: 'end', status: 'FAILED', reason: ENDING_INFO.brokenFile });
});

it('files that are not there or can not be played are refused', async () => {
  await start();
  const codes = [];
  for (const name of ['none', 'bad'])
    codes.push((await (await fixture.view(`/mse/vod%3A%2F%2F${name}.mp4`)).closed).code);
  expect(codes).toEqual([4404, 4400]);
});

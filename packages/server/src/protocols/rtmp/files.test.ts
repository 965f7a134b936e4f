import { type Track, writeAacConfigTag } from '@sluice/media';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { END_OF_FILE, ENDING_INFO } from '../../core/index.ts';
import { PersonalStreams } from '../../core/testing/personal-streams.ts';
import { ASC, RtmpRig } from './testing/rig.ts';
import { MESSAGE } from './wire/chunk-writer.ts';

const SOUND: Track = { id: 1, kind: 'audio', codec: 'aac', clockRate: 48_000, parameters: [ASC] };
const PACKETS = [0, 20_000, 40_000].map((us) => {
  const units = [Uint8Array.of(us / 20_000)];
  return { track: SOUND, units, ptsUs: us, dtsUs: us, key: true, byteLength: 1 };
});

let rig: RtmpRig;
let files: PersonalStreams;

beforeEach(async () => {
  files = new PersonalStreams(PACKETS);
  rig = await RtmpRig.withResolvers([files]);
});

afterEach(() => rig.close());

it('a player of a personal stream gets it from its first packet on', async () => {
  const player = await rig.client();
  await player.play('vod://a.mp4');
  const config = await player.until(({ type }) => type === MESSAGE.audio);
  expect(Buffer.from(config.payload)).toEqual(Buffer.from(writeAacConfigTag(ASC)));
  const times = [];
  for (const { ptsUs } of PACKETS) {
    const { payload, timestamp } = await player.until(({ type }) => type === MESSAGE.audio);
    expect(payload.at(-1)).toBe(ptsUs / 20_000);
    times.push(timestamp);
  }
  expect(times).toEqual([0, 20, 40]);
  expect(files.requests[0]?.startUs).toBeUndefined();
});

it.each([
  ['vod://a.mp4?start=1.5', 7000, 1_500_000],
  ['vod://a.mp4', 7000, 7_000_000],
  ['vod://a.mp4', -2000, undefined],
  ['vod://a.mp4?start=now', 'soon', undefined],
])('playing %s with the argument %s begins where they say', async (name, argument, startUs) => {
  const player = await rig.client();
  player.command('createStream', 2, null);
  player.command('play', 3, null, name, argument);
  await player.status();
  expect(files.requests[0]?.startUs).toBe(startUs);
});

it('the end of a file is told as a stop, its failure as a failure', async () => {
  const [lucky, unlucky] = [await rig.client(), await rig.client()];
  for (const player of [lucky, unlucky]) {
    await player.play('vod://a.mp4');
    await player.status();
  }
  files.streams[0]?.end(END_OF_FILE);
  files.streams[1]?.end(ENDING_INFO.brokenFile);
  expect(await lucky.status()).toMatchObject({ code: 'NetStream.Play.UnpublishNotify' });
  expect(await lucky.status()).toMatchObject({ code: 'NetStream.Play.Stop' });
  expect(await unlucky.status()).toMatchObject({
    level: 'error',
    code: 'NetStream.Play.Failed',
    description: 'Got exception while streaming file',
  });
  await Promise.all([lucky.closed, unlucky.closed]);
});

it('files that are not there or can not be played are refused with codes of their own', async () => {
  const refused = async (name: string) => (await rig.client()).play(name);
  expect(await refused('vod://none.mp4')).toMatchObject({
    code: 'NetStream.Play.StreamNotFound',
    description: 'there is no file "none.mp4"',
  });
  expect(await refused('vod://bad.mp4')).toMatchObject({ code: 'NetStream.Play.Failed' });
});

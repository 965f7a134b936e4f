import { afterEach, describe, expect, test, vi } from 'vitest';
import { MediaServerError, type Renditions, type Stream } from '../../../core/index.ts';
import { RelabelConverter } from '../../../core/testing/relabel-converter.ts';
import { frame } from '../testing/frames.ts';
import { type RigSession, WebRtcRig } from '../testing/rig.ts';
import { VIDEO_PAYLOAD_TYPE } from '../testing/rtc-client.ts';

const SMALL = { height: 360, bitrateBps: 500_000 };

let rig: WebRtcRig;
let converter: RelabelConverter;

afterEach(() => rig.close());

async function start(renditions?: Renditions): Promise<Stream> {
  converter = new RelabelConverter();
  rig = await WebRtcRig.start({ converter, renditions });
  const stream = rig.hub.streams.publish('it', { sessionId: 's', close: () => {} });
  for (let i = 0; i < 10; i++) frame(stream, i);
  return stream;
}

const picturesOf = ({ client }: RigSession): number =>
  client.rtp.filter(({ payloadType }) => payloadType === VIDEO_PAYLOAD_TYPE).length;

describe('a player that asks for a picture in a form', () => {
  test('gets it made in the profile that was agreed on, and is told its size and not that of the source', async () => {
    const stream = await start();
    const player = await rig.play('it', { video: 'H264' }, { picture: SMALL });
    await vi.waitFor(() => expect(picturesOf(player)).toBeGreaterThanOrEqual(10));
    expect(converter.running.map(({ wanted }) => wanted)).toEqual([
      { codec: 'h264', picture: { ...SMALL, profile: 66 } },
    ]);
    expect(player.events.sizes).toEqual(['640x360']);
    frame(stream, 10);
    await vi.waitFor(() => expect(picturesOf(player)).toBeGreaterThanOrEqual(11));
    const media = rig.hub.sessions.get(player.session.mediaSessionId)?.explain?.().media;
    expect(media?.find(({ kind }) => kind === 'video')).toMatchObject({ delivery: 'converted', codec: 'h264' });
    expect(media?.find(({ kind }) => kind === 'audio')).toMatchObject({ delivery: 'as_is' });
  });

  test('shares it with others who ask for the same, and is ended with the source', async () => {
    const stream = await start();
    const players = await Promise.all([1, 2, 3].map(() => rig.play('it', { video: 'H264' }, { picture: SMALL })));
    await vi.waitFor(() => expect(players.every((player) => picturesOf(player) >= 10)).toBe(true));
    expect(converter.opened).toHaveLength(1);
    stream.end('over');
    expect(players.map(({ events }) => events.ended)).toEqual(Array(3).fill('publisher_stopped'));
    expect(rig.server.sizes).toMatchObject({ packagers: 0, watched: 0 });
  });

  test('is refused when nothing may be converted', async () => {
    rig = await WebRtcRig.start();
    const stream = rig.hub.streams.publish('it', { sessionId: 's', close: () => {} });
    for (let i = 0; i < 10; i++) frame(stream, i);
    await expect(rig.play('it', { video: 'H264' }, { picture: SMALL })).rejects.toMatchObject({
      code: 'TRANSCODING_DISABLED',
      message: expect.stringContaining('transcoding_disabled'),
    });
    await rig.play('it', { video: 'H264' });
  });

  test('is refused when there is no room for it, unless it is made for others already', async () => {
    let room = true;
    const admitted: unknown[] = [];
    await start({
      enabled: () => false,
      ladder: () => undefined,
      thinner: () => [],
      admit: (_, form) => {
        admitted.push(form);
        if (!room) throw new MediaServerError('TRANSCODING_LIMIT', 'no core is free');
      },
    });
    const player = await rig.play('it', { video: 'H264' }, { picture: SMALL });
    await vi.waitFor(() => expect(picturesOf(player)).toBeGreaterThanOrEqual(10));
    room = false;
    await rig.play('it', { video: 'H264' }, { picture: SMALL });
    await rig.play('it', { video: 'H264' });
    await expect(rig.play('it', { video: 'H264' }, { picture: { height: 240 } })).rejects.toMatchObject({
      code: 'TRANSCODING_LIMIT',
    });
    expect(admitted).toEqual([
      { ...SMALL, profile: 66 },
      { height: 240, profile: 66 },
    ]);
  });

  test('is ended with the reason when it can not be made after all', async () => {
    await start();
    converter.refusal = 'it takes 2 cores, and 1 is free';
    const player = await rig.play('it', { video: 'H264' }, { picture: SMALL });
    await vi.waitFor(() => expect(player.events.ended).toBe('not_playable'));
    expect(player.events.detail).toBe('it takes 2 cores, and 1 is free');
  });
});

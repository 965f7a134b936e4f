import type { MediaPacket, Track } from '@sluice/media';
import { afterEach, expect, test, vi } from 'vitest';
import type { Converter, Stream } from '../../../core/index.ts';
import { type RigSession, WebRtcRig } from '../testing/rig.ts';
import { AUDIO_PAYLOAD_TYPE, VIDEO_PAYLOAD_TYPE } from '../testing/rtc-client.ts';

const FRAME_US = 40_000;
const AVC: Track = {
  id: 1,
  kind: 'video',
  codec: 'h264',
  clockRate: 90_000,
  parameters: [Uint8Array.of(0x67, 0x42, 0xe0, 0x1f), Uint8Array.of(0x68, 1)],
};
const AAC: Track = { id: 2, kind: 'audio', codec: 'aac', clockRate: 48_000, parameters: [Uint8Array.of(0x11, 0x90)] };

let rig: WebRtcRig;

/** Begins to convert and has nothing to show for it yet, as a process that is starting. */
function startingConverter(): Converter & { readonly opened: string[] } {
  const opened: string[] = [];
  return {
    opened,
    canConvert: () => true,
    open: (_, { codec }) => {
      opened.push(codec);
      return { push: () => {}, requestKeyFrame: () => {}, close: () => {} };
    },
  };
}

function packet(track: Track, dtsUs: number, facts: { key: boolean; ptsUs?: number }): MediaPacket {
  const units = [track.kind === 'audio' ? Uint8Array.of(1, 2, 3) : Uint8Array.of(facts.key ? 0x65 : 0x41, 1, 2)];
  return { track, units, ptsUs: facts.ptsUs ?? dtsUs, dtsUs, key: facts.key, byteLength: 3 };
}

/** Publishes so many frames with their sound; with `reorders`, every other one is shown before the one before it. */
function feed(stream: Stream, frames: { from: number; count: number; reorders?: boolean }): void {
  for (let i = frames.from; i < frames.from + frames.count; i++) {
    const dtsUs = i * FRAME_US;
    const shift = frames.reorders === true ? (i % 2 === 1 ? -0.5 : 1) : 0;
    stream.publish(packet(AVC, dtsUs, { key: i % 25 === 0, ptsUs: dtsUs + shift * FRAME_US }));
    stream.publish(packet(AAC, dtsUs, { key: true }));
  }
}

const picturesOf = ({ client }: RigSession): number =>
  client.rtp.filter(({ payloadType }) => payloadType === VIDEO_PAYLOAD_TYPE).length;

afterEach(() => rig.close());

test('a picture that needs no conversion does not wait for the sound, which does', async () => {
  const converter = startingConverter();
  rig = await WebRtcRig.start({ converter });
  const stream = rig.hub.streams.publish('it', { sessionId: 's', close: () => {} });
  feed(stream, { from: 0, count: 10 });
  const player = await rig.play('it', { video: 'H264' });
  await vi.waitFor(() => expect(picturesOf(player)).toBeGreaterThanOrEqual(10));
  feed(stream, { from: 10, count: 10 });
  await vi.waitFor(() => expect(picturesOf(player)).toBeGreaterThanOrEqual(20));
  expect(converter.opened).toEqual(['opus']);
  expect(player.client.rtp.some(({ payloadType }) => payloadType === AUDIO_PAYLOAD_TYPE)).toBe(false);
});

test('pictures that begin to be shown in another order are not sent as they are any more', async () => {
  const converter = startingConverter();
  rig = await WebRtcRig.start({ converter });
  const stream = rig.hub.streams.publish('it', { sessionId: 's', close: () => {} });
  feed(stream, { from: 0, count: 10 });
  const player = await rig.play('it', { video: 'H264' });
  await vi.waitFor(() => expect(picturesOf(player)).toBeGreaterThanOrEqual(10));
  let fed = 10;
  await vi.waitFor(() => {
    const before = player.session.stats().packets;
    feed(stream, { from: fed, count: 5, reorders: true });
    fed += 5;
    expect(player.session.stats().packets).toBe(before);
  });
  expect(converter.opened).toContain('h264');
});

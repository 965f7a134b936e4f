import { parseAvcConfig, type Track } from '@sluice/media';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { MediaServerError, type MediaSocketRequest } from '../../../core/index.ts';
import { RelabelConverter } from '../../../core/testing/relabel-converter.ts';
import { MemorySocket } from '../testing/memory-socket.ts';
import { MseFixture } from '../testing/mse-fixture.ts';
import { AUDIO, feed, PUBLISHER, packet, VIDEO } from '../testing/packets.ts';

const VIDEO_LINES = ['m=video 0 RTP/AVP 112', 'a=rtpmap:112 H264/90000', 'a=recvonly'];
const AUDIO_LINES = ['m=audio 0 RTP/AVP 108 96', 'a=rtpmap:108 mpeg4-generic/48000/1', 'a=recvonly'];
const OFFER = ['v=0', 't=0 0', ...VIDEO_LINES, ...AUDIO_LINES, ''].join('\r\n');
/** SPS and PPS of High profile, 320x240. */
const HIGH: Track = {
  ...VIDEO,
  parameters: [
    Buffer.from('6764000dacd941419f9e10000003001000000303c0f1429960', 'hex'),
    Buffer.from('68ebecb22c', 'hex'),
  ],
};

let fixture: MseFixture;
let converter: RelabelConverter;
let events: { active: number; ended: [string, string][]; sizes: [number, number][] };

beforeEach(async () => {
  converter = new RelabelConverter();
  fixture = await MseFixture.start({ wsPlayer: true }, { converter });
  events = { active: 0, ended: [], sizes: [] };
});

afterEach(() => fixture.close());

function request(fields: Partial<MediaSocketRequest> = {}): MediaSocketRequest {
  return {
    provider: 'MSE',
    streamName: 'cam',
    mediaSessionId: 'id',
    sessionId: '/127.0.0.1:1/127.0.0.1:2',
    appKey: 'defaultApp',
    remoteAddress: '127.0.0.1',
    offer: OFFER,
    custom: {},
    events: {
      onActive: () => void events.active++,
      onEnded: (reason, detail) => void events.ended.push([reason, detail]),
      onResize: (width, height) => void events.sizes.push([width, height]),
    },
    ...fields,
  };
}

function live(toMs = 1080) {
  const stream = fixture.hub.streams.publish('cam', PUBLISHER);
  feed(stream, { fromMs: 0, toMs });
  return stream;
}

async function play(fields: Partial<MediaSocketRequest> = {}) {
  const session = await fixture.mse.gateway.play(request(fields));
  const socket = new MemorySocket();
  return { session, socket };
}

interface Record {
  readonly type: number;
  readonly ms: number;
  readonly body: Buffer;
}

/** The records of all messages; each holds whole ones (websdk-signalling.md §9.2). */
function records(socket: MemorySocket): Record[] {
  return socket.messages.flatMap((message) => {
    const found: Record[] = [];
    for (let at = 0; at < message.length; ) {
      const length = message.readInt32BE(at + 5);
      found.push({
        type: message[at] ?? 0,
        ms: message.readInt32BE(at + 1),
        body: message.subarray(at + 9, at + 9 + length),
      });
      expect(found.at(-1)?.body.length).toBe(length);
      at += 9 + length;
    }
    return found;
  });
}

/** `vc` configuration, `V` key frame, `v` picture, `ac` configuration, `a` sound; with times. */
function summary(socket: MemorySocket): string {
  return records(socket)
    .map(({ type, ms, body }) => {
      if (type === 8) return `${body[0] === 0 ? 'ac' : 'a'}${ms}`;
      if (body[0] === 0x17) return `${body[1] === 0 ? 'vc' : 'V'}${ms}`;
      return `v${ms}`;
    })
    .join(' ');
}

describe('a player of the provider MSE', () => {
  it('is answered with the kinds that will be sent, and plays from the newest key frame on', async () => {
    const stream = live();
    const { session, socket } = await play();
    expect(session.answer.match(/^m=.*$/gm)).toEqual(['m=video 1 RTP/AVP 112', 'm=audio 1 RTP/AVP 108 96']);
    session.attach(socket);
    stream.publish(packet(VIDEO, 1080, { key: false }));
    await vi.waitFor(() => expect(summary(socket)).toBe('ac0 vc0 V0 a3 a24 v40 a45 a67 v80'));
    expect(events).toMatchObject({ active: 1, sizes: [[640, 360]], ended: [] });
    session.close();
    expect(stream.viewers).toBe(0);
  });

  it('gets a configuration before every key frame, without the tail of High profile, and audio without 0xAF', async () => {
    const stream = fixture.hub.streams.publish('cam', PUBLISHER);
    stream.setTrack(AUDIO);
    for (let ms = 0; ms < 400; ms += 40) {
      stream.publish(packet(HIGH, ms, { key: ms % 200 === 0 }));
      stream.publish(packet(AUDIO, ms));
    }
    const { session, socket } = await play();
    session.attach(socket);
    stream.publish(packet(HIGH, 400));
    await vi.waitFor(() => expect(summary(socket)).toMatch(/V200/));
    const all = records(socket);
    const configs = all.filter(({ type, body }) => type === 9 && body[1] === 0);
    expect(configs).toHaveLength(
      all.filter(({ type, body }) => type === 9 && body[0] === 0x17 && body[1] === 1).length,
    );
    for (const { body } of configs) {
      const { sps, pps } = parseAvcConfig(body.subarray(5));
      const bytes = [...sps, ...pps].reduce((sum, unit) => sum + 2 + unit.length, 0);
      expect(body.length).toBe(5 + 6 + 1 + bytes);
    }
    const sound = all.filter(({ type }) => type === 8).map(({ body }) => body[0]);
    expect(sound).toContain(0);
    expect(new Set(sound)).toEqual(new Set([0, 1]));
    session.close();
  });

  it('is answered port 0 for what the stream does not have', async () => {
    const stream = fixture.hub.streams.publish('cam', { ...PUBLISHER, tracksComplete: true });
    stream.publish(packet(VIDEO, 0));
    const { session } = await play();
    expect(session.answer.match(/^m=.*$/gm)).toEqual(['m=video 1 RTP/AVP 112', 'm=audio 0 RTP/AVP 108 96']);
    expect([session.videoCodec, session.audioCodec]).toEqual(['H264', undefined]);
    session.close();
  });

  it('has B-frames and Opus converted, once for all', async () => {
    const stream = fixture.hub.streams.publish('cam', PUBLISHER);
    const opus = { ...AUDIO, codec: 'opus' as const, parameters: [] };
    for (let ms = 0; ms < 400; ms += 40) {
      const shownMs = ms + (ms % 80 === 0 ? 80 : 0);
      stream.publish({ ...packet(VIDEO, ms, { key: ms === 0 }), ptsUs: shownMs * 1000 });
      stream.publish(packet(opus, ms));
    }
    const players = await Promise.all(['a', 'b'].map((mediaSessionId) => play({ mediaSessionId })));
    for (const { session, socket } of players) session.attach(socket);
    await vi.waitFor(() => expect(summary(players[1]?.socket ?? new MemorySocket())).toMatch(/V.* a/));
    expect(converter.opened.map(({ target }) => target).sort()).toEqual(['aac', 'h264']);
    expect(stream.viewers).toBe(2);
    for (const { session } of players) session.close();
  });

  it('asks whether a picture of that form can be had, and gets it made', async () => {
    live();
    const { session } = await play({ picture: { width: 320 } });
    expect(converter.opened.map(({ wanted }) => wanted.picture)).toEqual([{ width: 320 }]);
    session.close();
    const refusal = new MediaServerError('TRANSCODING_LIMIT', 'full');
    await fixture.close();
    const renditions = {
      admit: () => {
        throw refusal;
      },
    };
    fixture = await MseFixture.start({}, { converter, renditions });
    live();
    await expect(play({ picture: { width: 320 } })).rejects.toBe(refusal);
    expect(fixture.mse.viewerCount).toBe(0);
  });

  it('that is full goes on with a key frame', async () => {
    const stream = live(40);
    const { session, socket } = await play();
    session.attach(socket);
    await vi.waitFor(() => expect(summary(socket)).toMatch(/V0/));
    socket.full = true;
    for (let ms = 40; ms < 30_000; ms += 40) stream.publish(packet(VIDEO, ms, { key: ms % 1000 === 0 }));
    const before = records(socket).length;
    socket.drain();
    await vi.waitFor(() => expect(records(socket).length).toBeGreaterThan(before));
    const [next] = records(socket)
      .slice(before)
      .filter(({ type }) => type === 9);
    expect([next?.ms, next?.body[1]]).toEqual([29_000, 0]);
    session.close();
  });

  it('that reads nothing for too long is ended', async () => {
    await fixture.close();
    fixture = await MseFixture.start({ viewerStallTimeoutMs: 50 });
    const stream = live(40);
    const { session, socket } = await play();
    socket.full = true;
    session.attach(socket);
    stream.publish(packet(VIDEO, 40));
    await vi.waitFor(() => expect(events.ended.map(([reason]) => reason)).toEqual(['ice_keep_alive']), 5000);
    expect(fixture.mse.viewerCount).toBe(0);
  });

  it('is told when the stream, its socket, or the server ends', async () => {
    const stream = live();
    const lost = await play({ mediaSessionId: 'lost' });
    lost.session.attach(lost.socket);
    lost.socket.gone();
    const { session, socket } = await play();
    session.attach(socket);
    fixture.hub.streams.unpublish(stream, PUBLISHER, 'gone');
    expect(events.ended.map(([reason]) => reason)).toEqual(['peer_closed', 'publisher_stopped']);
    live();
    await play({ mediaSessionId: 'last' });
    await fixture.mse.close();
    expect(events.ended.at(-1)?.[0]).toBe('server_stops');
  });

  it('is refused for what can not be', async () => {
    const code = (fields: Partial<MediaSocketRequest>) => expect(play(fields)).rejects;
    await code({}).toMatchObject({ code: 'STREAM_NOT_FOUND' });
    live();
    await code({ offer: 'nonsense' }).toMatchObject({ code: 'SDP_INVALID' });
    await code({ offer: 'v=0\r\nm=text 0 RTP/AVP 1\r\n' }).toMatchObject({ code: 'SDP_INVALID' });
    const { session } = await play();
    await code({}).toMatchObject({ code: 'MEDIA_SESSION_BUSY' });
    session.close();
    await fixture.close();
    fixture = await MseFixture.start({ maxViewers: 1 });
    live();
    const other = await play({ mediaSessionId: 'other' });
    await code({}).toMatchObject({ code: 'PEER_LIMIT' });
    await code({ provider: 'WSPlayer' }).toMatchObject({ code: 'PEER_LIMIT' });
    other.session.close();
    await code({ provider: 'WSPlayer' }).toMatchObject({ code: 'NO_COMMON_CODECS' });
    await code({ picture: { width: 10 } }).toMatchObject({ code: 'TRANSCODING_DISABLED' });
    expect(fixture.hub.counters.of('mse_refused')).toBe(4);
  });
});

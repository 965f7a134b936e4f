import { describe, expect, it } from 'vitest';
import { type EmbedChoice, embedAddress, embedCode } from '../apps/console/src/embed-code.ts';
import { levelNamed } from '../apps/console/src/hls-source.ts';
import { ArrivalClock, liveEdgeStep } from '../apps/console/src/live-edge.ts';
import { readMessage } from '../apps/console/src/mse-messages.ts';
import { isOffered, type PlayProtocol, protocolObstacles } from '../apps/console/src/play-protocol.ts';
import { choiceOf } from '../apps/console/src/stream-state.ts';
import { costWarning } from '../apps/console/src/use-quality.ts';
import { namesOnWall, playingTiles, readWall, WHOLE_WALL, wallLink } from '../apps/console/src/wall-choice.ts';
import { WayMemory } from '../apps/console/src/way-memory.ts';
import { StrainMeter, type StrainSample } from '../apps/console/src/webrtc/strain-meter.ts';

describe("the wall's choice", () => {
  it('survives in an address, and nonsense counts as not given', () => {
    const choice = { text: 'a&b', only: ['x y', 'z'], columns: 3, limit: 16, playing: true };
    expect(readWall(wallLink(choice))).toEqual(choice);
    expect(wallLink(WHOLE_WALL)).toBe('#/wall');
    expect(readWall('#/wall?columns=7000&limit=-1&play=yes')).toEqual(WHOLE_WALL);
  });

  it('shows names with one of the words, among those that were chosen', () => {
    const names = ['Gate 1', 'gate 2', 'yard'];
    expect(namesOnWall(names, { ...WHOLE_WALL, text: 'GATE 1, ya' })).toEqual(['Gate 1', 'yard']);
    expect(namesOnWall(names, { ...WHOLE_WALL, text: 'gate', only: ['gate 2', 'yard'] })).toEqual(['gate 2']);
  });

  it('plays what was asked for last first, in sight only and never above the limit', () => {
    const sight = { visible: ['a', 'b', 'c', 'd'], started: ['x', 'b', 'c'], pointed: 'd' };
    const play = (limit: number, playing: boolean): string[] => [
      ...playingTiles(sight, { ...WHOLE_WALL, limit, playing }),
    ];
    expect(play(9, false)).toEqual(['d', 'c', 'b']);
    expect(play(2, true)).toEqual(['d', 'c']);
    expect(play(9, true)).toEqual(['d', 'c', 'b', 'a']);
  });
});

describe('the choice of a way', () => {
  const ports = {
    ...{ rtmp: 1935, hls: 8082, hlsSecure: 0, http: 8081, https: 8444, ws: 8080, wss: 8443, rtsp: 5554, srt: 8890 },
    ...{ webrtc: true, mse: true, lowLatencyHls: true, dash: true, hlsLadder: true },
  };
  const plain = { protocol: 'http:', hostname: 'media.example' };
  const secure = { protocol: 'https:', hostname: 'media.example' };

  it('leaves out what the server or the page can not have', () => {
    expect(protocolObstacles({ ...ports, webrtc: false }, plain)).toEqual({
      webrtc: 'WebRTC is turned off on this server.',
    });
    expect(Object.keys(protocolObstacles(ports, secure))).toEqual(['ll-hls', 'hls']);
    expect(protocolObstacles({ ...ports, hlsSecure: 8445 }, secure)).toEqual({});
    expect(
      ['mse', 'll-hls', 'hls'].map((way) => isOffered(way as PlayProtocol, { ...ports, mse: false, hls: 0 })),
    ).toEqual([false, false, true]);
  });

  it('is told in one sentence', () => {
    expect(choiceOf('webrtc', [])).toMatch(/^Plays by WebRTC: of all ways it has the least delay/);
    expect(choiceOf('hls', [])).toBe('Plays by HLS: it is to be tried first, and nothing stands in its way.');
    const tried = [
      { protocol: 'webrtc', why: 'no way for media within 4 s' },
      { protocol: 'mse', why: 'MSE is turned off on this server.' },
    ] as const;
    expect(choiceOf('hls', tried)).toBe(
      'Plays by HLS, because WebRTC did not work (no way for media within 4 s), nor did MSE.',
    );
  });

  it('remembers failures by stream and network for some minutes', () => {
    const store = new Map<string, string>();
    const storage = {
      getItem: (key: string) => store.get(key) ?? null,
      setItem: (key: string, value: string) => void store.set(key, value),
    };
    let [nowMs, network] = [0, 'wifi'];
    const memory = (): WayMemory =>
      new WayMemory(
        storage,
        () => nowMs,
        () => network,
      );
    const first = memory();
    first.note({ stream: 'a', protocol: 'webrtc', why: 'no UDP', scope: 'network' });
    first.note({ stream: 'a', protocol: 'mse', why: 'broke', scope: 'stream' });
    // Another page of the same tab knows it as well.
    const other = memory();
    expect([other.why('a', 'webrtc'), other.why('b', 'webrtc')]).toEqual(['no UDP', 'no UDP']);
    expect([other.why('a', 'mse'), other.why('b', 'mse'), other.why('a', 'hls')]).toEqual([
      'broke',
      undefined,
      undefined,
    ]);
    network = 'cellular';
    expect(other.why('a', 'webrtc')).toBeUndefined();
    network = 'wifi';
    nowMs = 3 * 60_000;
    expect([other.why('a', 'webrtc'), other.why('a', 'mse')]).toEqual(['no UDP', undefined]);
    other.forget('a', ['stream']);
    expect(other.why('a', 'webrtc')).toBe('no UDP');
    other.forget('a', ['network']);
    expect(other.why('a', 'webrtc')).toBeUndefined();
    for (let count = 0; count < 1000; count++)
      other.note({ stream: `s${count}`, protocol: 'hls', why: 'gone', scope: 'stream' });
    expect(JSON.parse(store.get('sluice.ways') ?? '[]')).toHaveLength(200);
    store.set('sluice.ways', '{"broken');
    expect(memory().why('a', 'hls')).toBeUndefined();
  });
});

describe('the judgement of a network', () => {
  /** Judges so many seconds of a line with 100 packets a second. */
  function judge(seconds: number, sample: (second: number) => Partial<StrainSample>): string {
    const meter = new StrainMeter();
    let why = '';
    for (let second = 0; second <= seconds; second++) {
      const calm = { packets: second * 100, lost: 0, freezes: 0, frozenSeconds: 0, atMs: second * 1000 };
      why = meter.judge({ ...calm, ...sample(second) });
    }
    return why;
  }

  it('calls it too lossy only when that lasts', () => {
    expect(judge(12, (second) => ({ lost: second * 30 }))).toMatch(/^23 % of the packets got lost for 8 s$/);
    expect(judge(4, (second) => ({ lost: second * 30 }))).toBe('');
    expect(judge(12, (second) => ({ lost: second * 5 }))).toBe('');
    expect(judge(30, (second) => ({ lost: Math.min(second, 2) * 30 }))).toBe('');
  });

  it('calls it too thin when the picture freezes again and again, not after one pause', () => {
    expect(judge(12, (second) => ({ freezes: second, frozenSeconds: second / 2 }))).toMatch(/stood still for 4 of 8 s/);
    expect(judge(12, (second) => ({ freezes: second > 6 ? 1 : 0, frozenSeconds: second > 6 ? 6 : 0 }))).toBe('');
    expect(judge(12, (second) => ({ packets: second, lost: second }))).toBe('');
  });

  it('holds nothing against it that comes of a publisher who is away, and judges on after that', () => {
    const away = (second: number): Partial<StrainSample> => ({
      packets: second < 12 ? Math.min(second, 6) * 100 : second * 100,
      ...(second > 13 ? { freezes: 3, frozenSeconds: 7 } : {}),
    });
    for (let seconds = 0; seconds < 30; seconds++) expect(judge(seconds, away)).toBe('');
    expect(judge(30, (second) => ({ ...away(second), lost: Math.max(0, second - 15) * 30 }))).toMatch(/^23 %/);
  });
});

describe('a player that follows the live edge', () => {
  const facts = {
    currentTime: 10,
    paused: false,
    rate: 1,
    ranges: [{ start: 0, end: 10.3 }],
    targetSeconds: 0.3,
    jumpSeconds: 2,
  };

  it('hurries a little when it is behind until it is there, and jumps when it is far behind', () => {
    expect(liveEdgeStep(facts)).toEqual({ rate: 1, seekTo: undefined });
    expect(liveEdgeStep({ ...facts, ranges: [{ start: 0, end: 11 }] }).rate).toBeCloseTo(1.09);
    expect(liveEdgeStep({ ...facts, ranges: [{ start: 0, end: 12 }] }).rate).toBe(1.1);
    expect(liveEdgeStep({ ...facts, ranges: [{ start: 0, end: 10.4 }] }).rate).toBe(1);
    expect(liveEdgeStep({ ...facts, rate: 1.05, ranges: [{ start: 0, end: 10.4 }] }).rate).toBeGreaterThan(1);
    expect(liveEdgeStep({ ...facts, ranges: [{ start: 0, end: 13 }] })).toEqual({ rate: 1, seekTo: 12.7 });
    expect(liveEdgeStep({ ...facts, ranges: [{ start: 0, end: 11 }], jumpSeconds: 0.3 }).seekTo).toBeCloseTo(10.7);
  });

  it('holds back a little until as much is loaded as is to be kept', () => {
    const near = { ...facts, targetSeconds: 1.5, ranges: [{ start: 0, end: 10.4 }] };
    expect(liveEdgeStep(near)).toEqual({ rate: 0.9, seekTo: undefined });
    expect(liveEdgeStep({ ...near, ranges: [{ start: 0, end: 11.4 }] }).rate).toBe(1);
    expect(liveEdgeStep({ ...near, rate: 0.95, ranges: [{ start: 0, end: 11.4 }] }).rate).toBeCloseTo(0.99);
    expect(liveEdgeStep({ ...near, rate: 0.95, ranges: [{ start: 0, end: 11.6 }] }).rate).toBe(1);
  });

  it('leaves a gap at once, and stays where it is while it is paused', () => {
    const gap = [
      { start: 0, end: 9 },
      { start: 11, end: 11.1 },
    ];
    expect(liveEdgeStep({ ...facts, ranges: gap })).toEqual({ rate: 1, seekTo: 11 });
    expect(liveEdgeStep({ ...facts, ranges: gap, paused: true })).toEqual({ rate: 1, seekTo: undefined });
    expect(liveEdgeStep({ ...facts, ranges: [] })).toEqual({ rate: 1, seekTo: undefined });
  });

  it('tells its delay by the piece that came soonest, also when pieces come late', () => {
    const clock = new ArrivalClock();
    expect(clock.delaySeconds(0, 0)).toBeUndefined();
    clock.note(100, 5000);
    clock.note(101, 6400);
    expect(clock.delaySeconds(100.5, 6400)).toBeCloseTo(0.9);
    clock.note(102, 6900);
    expect(clock.delaySeconds(102, 7000)).toBeCloseTo(0.1);
  });

  it('reads what the server says between the media, and nothing else', () => {
    expect(readMessage('{"type":"init","codecs":"video/mp4; codecs=\\"avc1.64001f\\""}')).toEqual({
      mimeType: 'video/mp4; codecs="avc1.64001f"',
    });
    expect(readMessage('{"type":"clock","streamMs":1500,"serverMs":1}')).toEqual({ streamMs: 1500 });
    expect(readMessage('{"type":"error","status":404,"message":"no"}')).toEqual({ message: 'no' });
    for (const text of ['', '[', 'null', '[]', '{"codecs":7}']) expect(readMessage(text)).toEqual({});
  });
});

describe('a quality by name', () => {
  it("is that of its profile, or of its picture's height", () => {
    const level = (name: string, height: number): { url: string[]; height: number } => ({
      url: [`http://host/cam-HLS-ABR-STREAM/${name}/${name}.m3u8`],
      height,
    });
    const levels = [level('original', 1080), level('720', 576), level('low%20one', 240)];
    expect(['original', '720', 'low one', '240p', '1080', 'none', ''].map((name) => levelNamed(levels, name))).toEqual([
      0, 1, 2, 2, 0, -1, -1,
    ]);
  });

  it('is offered with what it would cost', () => {
    const row = { name: '720', width: 1280, height: 720, fps: 25, bandwidth: 1, original: false, running: false };
    const ladder = { renditions: [], estimatedCores: 2, limitCores: 1.5, usedCores: 1, notes: [] };
    expect(costWarning({ ...row, estimatedCores: 0.4 }, ladder)).toMatch(
      /about 0\.4 cores .* 0\.5 cores of 1\.5 cores are free\.$/,
    );
    expect(costWarning({ ...row, estimatedCores: 0.9 }, ladder)).toContain('more than is free');
  });
});

describe('code to embed a stream', () => {
  const choice: EmbedChoice = {
    stream: 'a"b&c',
    protocol: 'auto',
    quality: '',
    autoplay: true,
    muted: true,
    controls: true,
    poster: true,
    fit: 'contain',
    width: 0,
    height: 0,
  };

  it('can not be broken by a name, and says only what is not as usual', () => {
    expect(embedAddress('https://media.example', { ...choice, protocol: 'hls', quality: 'auto', muted: false })).toBe(
      'https://media.example/embed?stream=a%22b%26c&protocols=hls&quality=auto&muted=0',
    );
    const code = embedCode('https://media.example', choice);
    expect(code).toContain('src="https://media.example/embed?stream=a%22b%26c" title="a&quot;b&amp;c" style=');
    expect(embedCode('http://h', { ...choice, width: 640, height: 360 })).toContain('width="640" height="360"');
  });
});

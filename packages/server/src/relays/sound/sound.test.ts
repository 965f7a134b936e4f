import { execFileSync } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import type { MediaPacket } from '@sluice/media';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { type AdaptedStream, playerAcceptance, type Stream } from '../../core/index.ts';
import { H264, OPUS, packet, type Seen, timesOf, VP8, watch } from '../../core/testing/adaptation-fixture.ts';
import { RelabelConverter } from '../../core/testing/relabel-converter.ts';
import { decodeSound, mp4Clip, type Sound, toneShare } from '../../engine/testing/clips.ts';
import { testEngine } from '../../engine/testing/run.ts';
import { Ticker } from '../../io/index.ts';
import { FolderStore, VodResolver } from '../../vod/index.ts';
import { ClipFolder } from '../../vod/testing/clips.ts';
import { RelayRig } from '../testing/relay-rig.ts';

const TARGET = 'rtmp://camera.example/live';
const PLAYER = playerAcceptance({ video: new Set(['h264']), audio: new Set(['aac']) });
const OWN_HZ = 440;
const FILE_HZ = 1000;
/** A step of the stream's clock. */
const STEP_MS = 20;

const { engine } = testEngine({ warmSpare: true });
const files = new ClipFolder();
let own: MediaPacket[] = [];
beforeAll(async () => {
  const tone = (hertz: number, seconds: number) => ['-f', 'lavfi', '-i', `sine=${hertz}:r=48000:d=${seconds}`];
  const wav = (name: string, seconds: number, options: readonly string[]) =>
    execFileSync('ffmpeg', ['-v', 'error', ...tone(FILE_HZ, seconds), ...options, `${files.path}/${name}`]);
  wav('once.wav', 1.5, ['-ar', '44100', '-ac', '1']);
  wav('short.wav', 0.4, ALAW);
  files.make('silent.mp4', 1, '-an', '-c:v', 'libx264', '-preset', 'ultrafast');
  own = await mp4Clip([...tone(OWN_HZ, 12), '-ac', '2', '-c:a', 'aac']);
});
const ALAW = ['-ar', '8000', '-ac', '1', '-c:a', 'pcm_alaw'];

let rig: RelayRig;
let vod: VodResolver;
let feed: Feed | undefined;
let leases: AdaptedStream[] = [];

function begin(converter: RelabelConverter | typeof engine = engine): void {
  rig = new RelayRig({}, 0, converter);
  const stores = [{ store: new FolderStore(files.path), readAheadMs: 1000 }];
  const options = { stores, loop: false, idleTimeoutMs: 200, readTimeoutMs: 5000, maxFiles: 10 };
  vod = new VodResolver({ ...rig.hub, ticker: new Ticker(10) }, options);
  rig.resolvers.push(vod);
}

afterEach(async () => {
  feed?.stop();
  feed = undefined;
  for (const lease of leases) lease[Symbol.dispose]();
  leases = [];
  await rig.relays.close();
  await vod.close();
  rig.hub.adaptations.close();
  await rig.close();
});
afterAll(async () => {
  files[Symbol.dispose]();
  await engine.close();
});

/** Publishes pictures, and sound of a clip, in real time; its clock can be stopped. */
class Feed {
  nowMs = 0;
  paused = false;
  readonly sent: MediaPacket[] = [];
  readonly #stream: Stream;
  readonly #sound: MediaPacket[];
  readonly #timer: NodeJS.Timeout;
  #startMs = performance.now();

  constructor(stream: Stream, sound: readonly MediaPacket[]) {
    this.#stream = stream;
    this.#sound = [...sound];
    this.#timer = setInterval(() => this.#tick(), STEP_MS);
  }

  /** Time of the stream, in seconds from now on. */
  async pass(seconds: number): Promise<void> {
    const until = this.nowMs + seconds * 1000;
    await expect.poll(() => this.nowMs, { timeout: 20_000, interval: 10 }).toBeGreaterThanOrEqual(until);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #tick(): void {
    if (this.paused) this.#startMs = performance.now() - this.nowMs;
    for (const now = performance.now() - this.#startMs; this.nowMs < now; this.nowMs += STEP_MS) {
      if (this.nowMs % 40 === 0) this.#publish(packet(H264, this.nowMs, { key: this.nowMs % 1000 === 0 }));
      while (this.#sound[0] !== undefined && this.#sound[0].dtsUs <= this.nowMs * 1000)
        this.#publish(this.#sound.shift() as MediaPacket);
    }
  }

  #publish(one: MediaPacket): void {
    this.sent.push(one);
    this.#stream.publish(one);
  }
}

/** Pushes a stream, and what the other server sees of it, in the form that RTMP takes. */
async function push(sound: readonly MediaPacket[]): Promise<{ id: string; seen: Seen; feed: Feed }> {
  const stream = rig.publish('s');
  const { mediaSessionId } = await rig.relays.push({ streamName: 's', url: TARGET });
  feed = new Feed(stream, sound);
  return { id: mediaSessionId, seen: look(), feed };
}

function look(): Seen {
  const { attempt } = rig.rtmp.last;
  if (!('source' in attempt)) throw new Error('it is no push');
  const lease = rig.hub.adaptations.lease(attempt.source, PLAYER, { steady: true });
  leases.push(lease);
  attempt.events.onConnected();
  attempt.events.onMedia();
  return watch(lease);
}

const soundOf = ({ packets }: Seen): MediaPacket[] => packets.filter(({ track }) => track.kind === 'audio');

/** Times never go back, and leave no gap that a listener hears as one. */
function expectWhole(seen: Seen, gapMs = 60): void {
  const times = timesOf(seen, 'audio');
  for (let i = 1; i < times.length; i++) {
    const step = (times[i] ?? 0) - (times[i - 1] ?? 0);
    expect(step).toBeGreaterThan(0);
    expect(step, `at ${times[i]} ms`).toBeLessThanOrEqual(gapMs);
  }
}

/** How loud it is between two times in milliseconds: the root of the mean square. */
function loudness({ rate, startUs, samples }: Sound, fromMs: number, toMs: number): number {
  const index = (ms: number) => Math.round(((ms * 1000 - startUs) * rate) / 1e6);
  const part = samples.subarray(index(fromMs), index(toMs));
  return Math.sqrt(part.reduce((sum, sample) => sum + sample * sample, 0) / part.length);
}

it('the sound is silent while it is muted, that of a file while that plays, and its own otherwise', async () => {
  begin();
  const { id, seen, feed } = await push(own);
  await feed.pass(1);
  const mutedMs = feed.nowMs;
  rig.relays.setMuted(id, true);
  await feed.pass(1);
  const unmutedMs = feed.nowMs;
  rig.relays.setMuted(id, false);
  expect(rig.relays.get(id)).toMatchObject({ muted: false, sound: undefined });
  await feed.pass(0.8);
  await rig.relays.setSound(id, { file: 'once.wav', loop: false });
  expect(rig.relays.get(id)?.sound).toEqual({ file: 'once.wav', loop: false });
  await expect.poll(() => rig.relays.get(id)?.sound, { timeout: 10_000 }).toBeUndefined();
  const overMs = feed.nowMs;
  await feed.pass(1.2);

  expectWhole(seen);
  expect(new Set(soundOf(seen).map(({ track }) => track)).size).toBe(1);
  const pictures = (packets: readonly MediaPacket[]) => packets.filter(({ track }) => track.kind === 'video');
  expect(pictures(seen.packets)).toEqual(pictures(feed.sent));
  const heard = decodeSound(soundOf(seen));
  const share = (hertz: number, fromMs: number, toMs: number) => toneShare(heard, hertz, [fromMs * 1000, toMs * 1000]);
  expect(share(OWN_HZ, 200, mutedMs - 100)).toBeGreaterThan(0.9);
  expect(loudness(heard, mutedMs + 100, unmutedMs - 50)).toBeLessThan(10);
  expect(share(OWN_HZ, unmutedMs + 100, unmutedMs + 700)).toBeGreaterThan(0.9);
  // The sound begins when its conversion does, and lasts 1.5 s.
  const fileMs = firstOf(FILE_HZ, heard, unmutedMs + 700);
  expect(share(FILE_HZ, fileMs, fileMs + 1200)).toBeGreaterThan(0.9);
  expect(share(OWN_HZ, overMs + 100, overMs + 1000)).toBeGreaterThan(0.9);
}, 60_000);

/** The first time from there on at which a tenth of a second is that tone. */
function firstOf(hertz: number, heard: Sound, fromMs: number): number {
  const endMs = heard.startUs / 1000 + (heard.samples.length / heard.rate) * 1000;
  for (let ms = fromMs; ms < endMs - 100; ms += 20)
    if (loudness(heard, ms, ms + 100) > 100 && toneShare(heard, hertz, [ms * 1000, (ms + 100) * 1000]) > 0.9) return ms;
  throw new Error(`${hertz} Hz are nowhere`);
}

it('a stream without sound gets that of a file, over and over, until that is taken away', async () => {
  begin();
  const { id, seen, feed } = await push([]);
  await feed.pass(0.3);
  const { attempt } = rig.rtmp.last;
  if (!('source' in attempt)) throw new Error('it is no push');
  expect(attempt.source.state.audio).toBeUndefined();
  await rig.relays.setSound(id, { file: 'short.wav', loop: true });
  // So that a protocol that can't add a track knows that there is one.
  expect(attempt.source.state.audio).toMatchObject({ codec: 'aac' });
  expect(rig.relays.get(id)).toMatchObject({ hasAudio: true });
  await expect.poll(() => soundOf(seen).length, { timeout: 10_000 }).toBeGreaterThan(0);
  await feed.pass(1.5);
  rig.relays.setMuted(id, true);
  const mutedMs = feed.nowMs;
  await feed.pass(0.5);
  await rig.relays.setSound(id, undefined);
  const count = soundOf(seen).length;
  await feed.pass(0.3);
  expect(soundOf(seen)).toHaveLength(count);

  expectWhole(seen, 80);
  const [first] = soundOf(seen);
  expect(first?.track).toMatchObject({ codec: 'aac', clockRate: 48_000, id: 1 });
  // It is put where the picture is.
  const firstMs = (first?.dtsUs ?? 0) / 1000;
  expect(firstMs).toBeGreaterThan(250);
  const heard = decodeSound(soundOf(seen));
  expect(toneShare(heard, FILE_HZ, [(firstMs + 100) * 1000, (mutedMs - 100) * 1000])).toBeGreaterThan(0.85);
  expect(loudness(heard, mutedMs + 200, mutedMs + 400)).toBeLessThan(10);
}, 60_000);

it('the sound of a file waits where the stream stands still, and goes on with it', async () => {
  begin();
  const { id, seen, feed } = await push([]);
  await rig.relays.setSound(id, { file: 'short.wav', loop: true });
  await expect.poll(() => soundOf(seen).length, { timeout: 10_000 }).toBeGreaterThan(10);
  feed.paused = true;
  await sleep(700);
  expect(timesOf(seen, 'audio').at(-1)).toBeLessThan(feed.nowMs + 100);
  feed.paused = false;
  await feed.pass(0.6);
  expect(timesOf(seen, 'audio').at(-1)).toBeGreaterThan(feed.nowMs - 500);
  expectWhole(seen, 500);
}, 30_000);

it('a file that is not there, or has no sound, is refused and changes nothing', async () => {
  begin();
  const { id } = await push(own);
  const set = (file: string) => rig.relays.setSound(id, { file, loop: false });
  await expect(set('none.wav')).rejects.toMatchObject({ code: 'FILE_NOT_FOUND' });
  await expect(set('silent.mp4')).rejects.toMatchObject({ code: 'FILE_INVALID' });
  await expect(set('../x.wav')).rejects.toMatchObject({ code: 'FILE_NOT_FOUND' });
  expect(rig.relays.get(id)?.sound).toBeUndefined();
  const wish = { streamName: 's', url: `${TARGET}/2`, sound: { file: 'none.wav', loop: false } };
  await expect(rig.relays.push(wish)).rejects.toMatchObject({ code: 'FILE_NOT_FOUND' });
  expect(rig.relays.all()).toHaveLength(1);
  await expect.poll(() => vod.all().length).toBe(0);
});

it('a file that turns out to be no use is noted, and the own sound goes on', async () => {
  const converter = new RelabelConverter();
  converter.unknown.add('l16');
  begin(converter);
  const { id, seen, feed } = await push(own);
  await rig.relays.setSound(id, { file: 'once.wav', loop: false });
  await expect.poll(() => rig.relays.get(id)?.notes.length).toBe(1);
  expect(rig.relays.get(id)?.notes[0]).toContain('once.wav can not be heard');
  const count = soundOf(seen).length;
  await feed.pass(0.3);
  expect(soundOf(seen).length).toBeGreaterThan(count + 5);
});

it('conversions of a stream are shared by all of its pushes, and by viewers', async () => {
  const converter = new RelabelConverter();
  begin(converter);
  const stream = rig.publish('s');
  for (const url of ['a', 'b']) {
    await rig.relays.push({ streamName: 's', url: `${TARGET}/${url}`, muted: url === 'a' });
    look();
  }
  leases.push(rig.hub.adaptations.lease(stream, PLAYER));
  for (let ms = 0; ms < 400; ms += 40) {
    stream.publish(packet(VP8, ms, { key: ms === 0 }));
    stream.publish(packet(OPUS, ms));
  }
  expect(converter.opened.map(({ target }) => target).sort()).toEqual(['aac', 'h264']);
  const all = leases.map(({ stream: form }) => form.state.video?.codec);
  expect(all).toEqual(['h264', 'h264', 'h264']);
});

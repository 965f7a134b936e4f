import type { MediaPacket, Track } from '@sluice/media';
import { describe, expect, it } from 'vitest';
import { Stream } from './stream.ts';
import type { StreamEntry } from './stream-log.ts';

const VIDEO: Track = { id: 0, kind: 'video', codec: 'h264', clockRate: 90_000, parameters: [] };
const AUDIO: Track = { id: 1, kind: 'audio', codec: 'aac', clockRate: 48_000, parameters: [] };
const idle = { onReadable: () => {}, onEnd: () => {} };

/** What tells packets apart, of their own memory. */
function plain(packet: MediaPacket): object {
  return { ...packet, units: packet.units.map((unit) => Buffer.from(unit).toString('latin1')) };
}

/** A publisher whose packets lie in memory that it writes again. */
class Source {
  readonly sent: object[] = [];
  readonly #stream: Stream;
  readonly #buffer = new Uint8Array(64 * 1024);
  #count = 0;

  constructor(stream: Stream) {
    this.#stream = stream;
  }

  /** Pictures of several units, of all lengths, with sound between; a key frame now and then. */
  send(packets: number, keyEvery = 30): void {
    for (let i = 0; i < packets; i++) {
      const n = this.#count++;
      for (let j = 0; j < 1000; j++) this.#buffer[j] = n * 7 + j;
      const isVideo = n % 3 !== 2;
      const lengths = isVideo ? [1 + (n % 5), n % 97 === 0 ? 50_000 : 200 + n] : [1 + (n % 400)];
      const units = lengths.map((length, j) => this.#buffer.subarray(j, j + length));
      const [dtsUs, byteLength] = [n * 10_000, lengths.reduce((sum, length) => sum + length, 0)];
      const key = !isVideo || n % keyEvery === 0;
      const packet = { track: isVideo ? VIDEO : AUDIO, units, ptsUs: dtsUs + (n % 4) * 1000, dtsUs, key, byteLength };
      this.sent.push(plain(packet));
      this.#stream.publishCopy(packet);
    }
    this.#buffer.fill(255);
  }
}

function rest(reader: { read(): StreamEntry | undefined }): StreamEntry[] {
  const entries: StreamEntry[] = [];
  for (let entry = reader.read(); entry !== undefined; entry = reader.read()) entries.push(entry);
  return entries;
}

describe('packets that are kept as bytes', () => {
  it('come out as they went in, for who comes late, who reads along, and who lags', () => {
    const stream = new Stream('s');
    const source = new Source(stream);
    const along: object[] = [];
    source.send(500);
    const late = stream.attach({ startAt: 'oldest', ...idle });
    const lagging = stream.attach({ startAt: stream.log.end, ...idle });
    const reader = stream.attach({
      startAt: stream.log.end,
      onReadable: () => along.push(...rest(reader).map(({ packet }) => plain(packet))),
      onEnd: () => {},
    });
    const early = rest(late);
    source.send(700);
    const all = [...early, ...rest(late)].map(({ packet }) => plain(packet));
    expect(all).toEqual(source.sent);
    expect(along).toEqual(source.sent.slice(500));
    expect(rest(lagging).map(({ packet }) => plain(packet))).toEqual(source.sent.slice(500));
  });

  it('stay as they were for who holds on to them after the log let them go', () => {
    const stream = new Stream('s', { gopCacheMaxMs: 500, gopCacheMaxBytes: 1e9 });
    const source = new Source(stream);
    // Until pieces of memory have the size that they keep.
    source.send(3000);
    const from = stream.log.start;
    const held = rest(stream.attach({ startAt: from, ...idle }));
    source.send(3000);
    expect(stream.log.start).toBeGreaterThan(5000);
    expect(held.map(({ packet }) => plain(packet))).toEqual(source.sent.slice(from, 3000));
  });

  it('are one object for all who are about as far', () => {
    const stream = new Stream('s');
    new Source(stream).send(10);
    const [one, other] = [0, 1].map(() => rest(stream.attach({ startAt: 0, ...idle })));
    expect(one).toHaveLength(10);
    expect(other?.every((entry, i) => entry === one?.[i])).toBe(true);
  });

  it('have the state that they came in, and are charged with it', () => {
    const stream = new Stream('s');
    const send = (track: Track, ms: number): void =>
      stream.publishCopy({
        track,
        units: [new Uint8Array(10)],
        ptsUs: ms * 1000,
        dtsUs: ms * 1000,
        key: true,
        byteLength: 10,
      });
    const changed = { ...VIDEO, parameters: [new Uint8Array(33)] };
    send(VIDEO, 0);
    send(changed, 40);
    const [before, after] = [stream.log.at(0), stream.log.at(1)];
    expect([before?.packet.track, before?.state.video]).toEqual([VIDEO, VIDEO]);
    expect(after?.packet.track).toBe(changed);
    expect([before?.byteLength, after?.byteLength]).toEqual([10, 43]);
    expect([before?.startPoint, after?.startPoint]).toEqual([true, true]);
  });

  it('go on beside packets that are kept as objects, and after a new source', () => {
    const stream = new Stream('s', { gopCacheMaxMs: 20_000, gopCacheMaxBytes: 1e9 });
    const source = new Source(stream);
    source.send(100);
    const object = { track: AUDIO, units: [Uint8Array.of(1)], ptsUs: 1e6, dtsUs: 1e6, key: true, byteLength: 1 };
    stream.publish(object);
    source.send(200);
    expect(stream.log.at(100)?.packet).toBe(object);
    const seen = rest(stream.attach({ startAt: 0, ...idle })).map(({ packet }) => plain(packet));
    expect(seen).toEqual([...source.sent.slice(0, 100), plain(object), ...source.sent.slice(100)]);
    stream.beginAnew();
    expect(stream.log.at(150)).toBeUndefined();
    source.send(10);
    expect(rest(stream.attach({ startAt: 'oldest', ...idle })).length).toBeGreaterThan(0);
    expect(stream.log.end).toBe(311);
  });
});

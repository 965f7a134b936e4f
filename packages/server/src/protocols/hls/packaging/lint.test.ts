import { MediaPlaylistLinter } from '@sluice/media';
import { describe, expect, test } from 'vitest';
import { Stream } from '../../../core/index.ts';
import { type HlsOptions, resolveHlsOptions } from '../options.ts';
import { HlsPackager } from '../packager.ts';
import type { HlsForm, HlsTrack } from '../position.ts';
import { AUDIO, fakeCounters, fakeLog, PUBLISHER, packet, VIDEO } from '../testing/fakes.ts';

const PICTURE = {
  ...VIDEO,
  parameters: [Buffer.from('6742c01ed900a02ff97011000003000100000300320f162e48', 'hex'), Uint8Array.of(0x68, 0xce)],
};

/** Where every playlist is checked that a viewer could be given: each time that something has been added. */
class WatchedPackager {
  readonly stream = new Stream('cam');
  readonly packager: HlsPackager;
  readonly findings: string[] = [];
  responses = 0;
  readonly #linters: readonly { track: HlsTrack; skip: boolean; linter: MediaPlaylistLinter }[];
  #seen = '';

  constructor(form: HlsForm, options: Partial<HlsOptions> = {}) {
    this.stream.attachPublisher(PUBLISHER);
    const deps = { stream: this.stream, log: fakeLog(), counters: fakeCounters(), form };
    this.packager = new HlsPackager(deps, resolveHlsOptions(options));
    this.#linters = this.packager.tracks.flatMap((track) =>
      [false, true].map((skip) => ({ track, skip, linter: new MediaPlaylistLinter() })),
    );
  }

  look(): void {
    const { packager } = this;
    const place = packager.position();
    const seen = `${place?.msn}.${place?.part}.${packager.ended}`;
    // Requests are held until the first segment is complete.
    if (!packager.ready || seen === this.#seen) return;
    for (const { track, skip, linter } of this.#linters) {
      const text = packager.mediaPlaylist({ query: '', track, skip: skip && this.#seen !== '' });
      for (const { rule, message } of linter.check(text)) this.findings.push(`${track} ${seen} ${rule}: ${message}`);
      this.responses++;
    }
    this.#seen = seen;
  }
}

interface Source {
  readonly fps: number;
  readonly gopMs: number;
  readonly fromMs?: number;
  readonly toMs: number;
  readonly sound?: boolean;
  readonly picture?: boolean;
  /** Looks at the playlists after each packet. */
  readonly watched?: WatchedPackager;
}

/** Publishes pictures whose times are those of a camera that trembles, and AAC beside them. */
function play(stream: Stream, source: Source): void {
  const { fps, gopMs, fromMs = 0, toMs, sound = true, picture = true, watched } = source;
  let soundMs = fromMs;
  const gopFrames = Math.max(1, Math.round((gopMs * fps) / 1000));
  for (let i = 0; fromMs + (i * 1000) / fps < toMs; i++) {
    const ms = fromMs + Math.round((i * 1000) / fps + (i % 3));
    for (; sound && soundMs <= ms; soundMs += 1024 / 48) {
      stream.publish(packet(AUDIO, Math.round(soundMs)));
      watched?.look();
    }
    if (picture) stream.publish(packet(PICTURE, ms, i % gopFrames === 0));
    watched?.look();
  }
}

const SOURCES: readonly (readonly [name: string, source: Partial<Source>])[] = [
  ['25 pictures a second, a key frame each second', { fps: 25, gopMs: 1000 }],
  ['29.97 pictures a second, a key frame every two seconds', { fps: 29.97, gopMs: 2000 }],
  ['10 pictures a second', { fps: 10, gopMs: 2000 }],
  ['a key frame every ten seconds', { fps: 25, gopMs: 10_000 }],
  ['pictures alone', { fps: 30, gopMs: 2000, sound: false }],
  ['sound alone', { fps: 50, gopMs: 2000, picture: false }],
  ['a picture a second', { fps: 1, gopMs: 2000 }],
];

describe('every playlist of a stream passes the linter', () => {
  for (const form of ['muxed', 'split'] as const) {
    for (const [name, source] of SOURCES) {
      test(`of ${name}, ${form}`, () => {
        const watched = new WatchedPackager(form);
        const all = { fps: 25, gopMs: 2000, ...source };
        // What is cached already tells how far apart key frames are.
        play(watched.stream, { ...all, toMs: 20_000 });
        watched.packager.start();
        play(watched.stream, { ...all, fromMs: 20_000, toMs: 62_000, watched });
        watched.stream.end('over');
        watched.look();
        expect(watched.findings).toEqual([]);
        expect(watched.responses).toBeGreaterThan(30);
      });
    }

    test(`over restarts, with sound that comes late and pictures that stop, ${form}`, () => {
      const watched = new WatchedPackager(form);
      const { stream } = watched;
      watched.packager.start();
      play(stream, { fps: 25, gopMs: 1000, toMs: 9500, watched });
      stream.detachPublisher(PUBLISHER);
      stream.attachPublisher(PUBLISHER);
      play(stream, { fps: 25, gopMs: 1000, fromMs: 60_000, toMs: 66_300, sound: false, watched });
      play(stream, { fps: 25, gopMs: 1000, fromMs: 66_300, toMs: 72_000, watched });
      // Pictures are gone for a moment, then all is.
      play(stream, { fps: 25, gopMs: 1000, fromMs: 72_000, toMs: 73_000, picture: false, watched });
      play(stream, { fps: 25, gopMs: 1000, fromMs: 73_300, toMs: 90_000, watched });
      stream.end('over');
      watched.look();
      // Segments end at key frames: where these are late, the target duration has to grow.
      expect(watched.findings.filter((finding) => !finding.includes('target-changed'))).toEqual([]);
      expect(watched.responses).toBeGreaterThan(100);
    });
  }

  test('where key frames come a little later than at the beginning, the target duration stays', () => {
    const watched = new WatchedPackager('muxed');
    watched.packager.start();
    for (const [fromMs, toMs] of [
      [0, 2360],
      [2360, 4960],
      [4960, 7560],
      [7560, 10_000],
      [10_000, 13_000],
    ] as const) {
      play(watched.stream, { fps: 25, gopMs: toMs - fromMs, fromMs, toMs, watched });
    }
    expect(watched.findings).toEqual([]);
    expect(watched.packager.targetSeconds).toBe(3);
  });

  test('where key frames come much later than at the beginning, the target duration grows once', () => {
    const watched = new WatchedPackager('muxed');
    watched.packager.start();
    play(watched.stream, { fps: 25, gopMs: 1000, toMs: 6000, watched });
    play(watched.stream, { fps: 25, gopMs: 8000, fromMs: 6000, toMs: 30_000, watched });
    const grown = expect.stringContaining('EXT-X-TARGETDURATION was 2, is 8');
    // Of the whole playlist and of the one without old segments.
    expect(watched.findings).toEqual([grown, grown]);
  });

  test('with a window that viewers can go back in', () => {
    const watched = new WatchedPackager('muxed', { dvrWindowMs: 120_000 });
    watched.packager.start();
    play(watched.stream, { fps: 25, gopMs: 1000, toMs: 150_000, watched });
    expect(watched.findings).toEqual([]);
    expect(watched.packager.window.listed).toHaveLength(60);
    expect(watched.packager.mediaPlaylist({ query: '', skip: true })).toContain('SKIPPED-SEGMENTS=54');
  });
});

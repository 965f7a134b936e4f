import type { Track } from '@sluice/media';
import { beforeEach, describe, expect, test } from 'vitest';
import { type Acceptance, type Rendition, type Renditions, Stream, withPicture } from '../../../core/index.ts';
import { TestCounters, TestLog } from '../../../core/testing/hub.ts';
import { TestSimulcast } from '../testing/test-layers.ts';
import type { PictureTarget } from './layer-source.ts';
import { type ChangeablePicture, QualityControl } from './quality-control.ts';
import { DEFAULT_QUALITY_POLICY } from './quality-policy.ts';
import type { PictureLimit, PictureRates } from './thinning.ts';
import type { BandwidthEstimate } from './viewer-bandwidth.ts';

const TAKES: Acceptance = {
  ...{ key: 'test', video: new Set(['vp8']), audio: new Set(['opus']), reorderedVideo: false },
  ...{ videoTarget: undefined, audioTarget: undefined },
};

const COMMON = { size: undefined, fps: undefined, estimatedCores: 0 };
/** The picture as it is, and one that takes less and has to be made. */
const LADDER: Renditions = {
  enabled: () => true,
  admit: () => {},
  thinner: () => [],
  ladder: () => ({
    renditions: [
      { name: 'original', acceptance: TAKES, original: true, bandwidthBps: 900_000, ...COMMON },
      {
        name: 'tiny',
        acceptance: withPicture(TAKES, { height: 90 }),
        original: false,
        bandwidthBps: 200_000,
        ...COMMON,
      },
    ],
    ...{ estimatedCores: 0, freeCores: 1, notes: [] },
  }),
};

/** No ladder; two are made for thin lines. */
class ForThinLines implements Renditions {
  asked = 0;
  made: readonly Rendition[] = [
    { name: '45p', acceptance: withPicture(TAKES, { height: 45 }), original: false, bandwidthBps: 300_000, ...COMMON },
    { name: '30p', acceptance: withPicture(TAKES, { height: 30 }), original: false, bandwidthBps: 120_000, ...COMMON },
  ];

  enabled(use: string): boolean {
    return use === 'thin';
  }

  admit(): void {}

  ladder(): undefined {
    return undefined;
  }

  thinner(): readonly Rendition[] {
    this.asked++;
    return this.made;
  }
}

/** The stream is measured to take so many bits a second. */
function takes({ videoRate }: Stream, bps: number): void {
  const track: Track = { id: 0, kind: 'video', codec: 'vp8', clockRate: 90_000, parameters: [] };
  videoRate.sample(1);
  for (let ms = 41; ms < 20_000; ms += 40) {
    videoRate.count({ track, units: [], dtsUs: ms * 1000, ptsUs: ms * 1000, key: false, byteLength: bps / 8 / 25 }, ms);
    if (ms % 1000 === 1) videoRate.sample(ms);
  }
}

/** One viewer's control, and a picture whose changes a test grants. */
class Viewer implements ChangeablePicture {
  readonly source = new TestSimulcast(new Stream('s'));
  readonly control: QualityControl;
  readonly told: number[] = [];
  readonly limits: PictureLimit[] = [];
  readonly pictureLost = undefined;
  estimate: BandwidthEstimate = { bps: 9e6, congested: false, reason: undefined, measured: true, queueMs: 0 };
  pictureRates: PictureRates = { all: 900_000, layer1: undefined, layer0: 500_000, keyFrameBytes: 9000 };
  wanted: PictureTarget | undefined;
  #grant: ((failure: string | undefined) => void) | undefined;
  #nowMs = performance.now();

  constructor({
    layered,
    thinning = true,
    renditions,
    asked,
  }: { layered: boolean; thinning?: boolean; renditions?: Renditions; asked?: { height: number } }) {
    if (!layered) this.source.stream.setLayers([]);
    takes(this.source.stream, 900_000);
    this.control = new QualityControl({
      ...{ stream: this.source.stream, acceptance: TAKES, codecs: [{ codec: 'vp8', payloadType: 96 }] },
      ...{ renditions, asked, policy: DEFAULT_QUALITY_POLICY, counters: new TestCounters(), log: new TestLog() },
      sending: { startBitrateBps: 1_000_000, thinning },
      bandwidth: {
        estimate: () => this.estimate,
        onReport: () => {},
        onRemb: () => {},
        onSent: () => {},
        onChanged: () => {},
      },
      onNotEnoughBandwidth: (_, availableBps) => this.told.push(availableBps),
    });
    this.control.begin();
  }

  sent() {
    return { packets: 0, bytes: 0, resent: 0 };
  }

  thin(limit: PictureLimit): void {
    if (limit !== this.limits.at(-1)) this.limits.push(limit);
  }

  changePicture(target: PictureTarget, onDone: (failure: string | undefined) => void): void {
    this.wanted = target;
    this.#grant = onDone;
  }

  giveUpChange(): void {
    this.wanted = undefined;
  }

  grant(failure?: string): void {
    this.#grant?.(failure);
    this.wanted = undefined;
  }

  carries(bps: number): void {
    this.estimate = { ...this.estimate, bps, reason: bps < 9e6 ? 'a test says so' : undefined };
  }

  pass(ms: number): this {
    for (const endMs = this.#nowMs + ms; this.#nowMs < endMs; this.#nowMs += 20) this.control.tick(this, this.#nowMs);
    return this;
  }
}

describe('a way that is too thin for a picture', () => {
  test('that can not be had with less gets as much of it as it carries, and all of it again, and the viewer is told', () => {
    const viewer = new Viewer({ layered: false });
    viewer.pass(1000);
    expect(viewer.limits).toEqual(['all']);
    viewer.carries(800_000);
    viewer.pass(200);
    expect(viewer.limits.at(-1)).toBe('layer_0');
    viewer.carries(100_000);
    viewer.pass(200);
    expect(viewer.limits.at(-1)).toBe('key_frames');
    viewer.carries(20_000);
    viewer.pass(200);
    expect(viewer.limits.at(-1)).toBe('none');
    viewer.carries(9e6);
    viewer.pass(10_000);
    expect(viewer.limits.at(-1)).toBe('all');
  });

  test('gets a lower encoding in place of less of the better one', () => {
    const viewer = new Viewer({ layered: true });
    viewer.carries(300_000);
    viewer.pass(200);
    expect(viewer.wanted).toEqual({ layer: viewer.source.low });
    viewer.grant();
    viewer.pictureRates = { all: 200_000, layer1: undefined, layer0: undefined, keyFrameBytes: 2000 };
    viewer.pass(2000);
    expect(viewer.limits.every((limit) => limit === 'all' || limit === 'layer_0')).toBe(true);
    viewer.carries(60_000);
    viewer.pass(200);
    expect(viewer.limits.at(-1)).toBe('key_frames');
  });

  test('loses no more than a temporal layer until the lower encoding has had time to come, and then as much as it takes', () => {
    const viewer = new Viewer({ layered: true });
    viewer.carries(300_000);
    viewer.pass(500);
    expect(viewer.limits.at(-1)).toBe('layer_0');
    viewer.pass(500);
    expect(viewer.limits.at(-1)).toBe('key_frames');
    viewer.grant();
    expect(viewer.limits.at(-1)).toBe('all');
  });

  test('is not filled with it until one comes that takes less and has to be made first', () => {
    const viewer = new Viewer({ layered: false, renditions: LADDER });
    viewer.pass(1000);
    viewer.carries(300_000);
    viewer.pass(200);
    expect(viewer.wanted).toMatchObject({ acceptance: { videoOutput: { height: 90 } } });
    expect(viewer.limits.at(-1)).toBe('key_frames');
  });

  test('is left alone where the settings say so', () => {
    const viewer = new Viewer({ layered: false, thinning: false });
    viewer.carries(100_000);
    viewer.pass(2000);
    expect(viewer.limits).toEqual([]);
  });
});

describe('a way that would carry key frames alone', () => {
  const small = { acceptance: { videoOutput: { height: 45 } } };
  const tiny = { acceptance: { videoOutput: { height: 30 } } };
  let renditions: ForThinLines;

  beforeEach(() => {
    renditions = new ForThinLines();
  });

  /** A viewer of one quality who has key frames alone now. */
  function thinned(bps: number, options: { thinning?: boolean; asked?: { height: number } } = {}): Viewer {
    const viewer = new Viewer({ layered: false, renditions, ...options });
    viewer.pass(1000);
    viewer.pictureRates = { ...viewer.pictureRates, layer0: undefined };
    viewer.carries(bps);
    return viewer.pass(500);
  }

  test('gets what is made for it after a second, key frames until that comes, and is told', () => {
    const viewer = thinned(400_000);
    expect(viewer.limits.at(-1)).toBe('key_frames');
    expect(viewer.wanted).toBe(undefined);
    expect(renditions.asked).toBe(0);
    viewer.pass(1200);
    expect(viewer.wanted).toMatchObject(small);
    viewer.pass(1000);
    expect(viewer.limits.at(-1)).toBe('key_frames');
    expect(viewer.control.facts(0).qualityReason).toBe('a test says so; 45p is on the way');
    viewer.grant();
    expect(viewer.limits.at(-1)).toBe('all');
    expect(viewer.control.facts(0)).toMatchObject({ quality: '45p', qualityReason: 'a test says so' });
    expect(viewer.told).toEqual([400_000]);
  });

  test('gets it also when nothing shows a limit at that moment, as so little is sent', () => {
    const viewer = thinned(400_000);
    viewer.estimate = { ...viewer.estimate, reason: undefined };
    expect(viewer.pass(1200).wanted).toMatchObject(small);
    expect(viewer.limits.at(-1)).toBe('key_frames');
  });

  test('gets the best of it that fits, and less when it carries less', () => {
    expect(thinned(200_000).pass(1200).wanted).toMatchObject(tiny);
    const viewer = thinned(400_000).pass(1200);
    viewer.grant();
    viewer.pictureRates = { all: 250_000, layer1: undefined, layer0: undefined, keyFrameBytes: 2000 };
    viewer.pass(1000).carries(200_000);
    expect(viewer.pass(1000).wanted).toMatchObject(tiny);
  });

  test('gets the stream as it is when it carries that again, and nothing is asked for any more after a while', () => {
    const viewer = thinned(400_000).pass(1200);
    viewer.grant();
    viewer.pass(2000).carries(9e6);
    viewer.pass(2000);
    expect(viewer.wanted).toEqual({ acceptance: TAKES });
    viewer.grant();
    expect(viewer.control.facts(0)).toMatchObject({ quality: undefined, qualityReason: undefined });
    viewer.pass(21_000);
    const { asked } = renditions;
    viewer.pass(5000);
    expect(renditions.asked).toBe(asked);
    expect(viewer.wanted).toBe(undefined);
  });

  test('is left with key frames while nothing can be made, and tries again later when it failed', () => {
    const { made } = renditions;
    renditions.made = [];
    const viewer = thinned(400_000).pass(20_000);
    expect(viewer.wanted).toBe(undefined);
    expect(viewer.limits.at(-1)).toBe('key_frames');
    renditions.made = made;
    viewer.limits.length = 0;
    for (const ms of [1200, 200, 500]) {
      expect(viewer.pass(ms).wanted).not.toBe(undefined);
      viewer.grant('the encoder died');
    }
    // What can be tried next is not tried at once; all of the stream is not sent in between.
    viewer.pass(500);
    expect(viewer.limits).toEqual(['key_frames']);
    expect(viewer.control.facts(0).quality).toBe(undefined);
  });

  test('is left with key frames where a size was asked for, or thinning is off', () => {
    expect(thinned(400_000, { asked: { height: 90 } }).pass(5000).wanted).toBe(undefined);
    expect(thinned(400_000, { thinning: false }).pass(5000).wanted).toBe(undefined);
    expect(renditions.asked).toBe(0);
  });

  test('gets a lower encoding of the publisher where there is one', () => {
    const viewer = new Viewer({ layered: true, renditions });
    viewer.carries(300_000);
    viewer.pass(5000);
    expect(viewer.wanted).toEqual({ layer: viewer.source.low });
    expect(renditions.asked).toBe(0);
  });
});

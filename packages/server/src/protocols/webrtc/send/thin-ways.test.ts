import { describe, expect, test } from 'vitest';
import { type Acceptance, type Renditions, Stream, withPicture } from '../../../core/index.ts';
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
  }: { layered: boolean; thinning?: boolean; renditions?: Renditions }) {
    if (!layered) this.source.stream.setLayers([]);
    this.control = new QualityControl({
      ...{ stream: this.source.stream, acceptance: TAKES, codecs: [{ codec: 'vp8', payloadType: 96 }] },
      ...{ renditions, policy: DEFAULT_QUALITY_POLICY, counters: new TestCounters(), log: new TestLog() },
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

  grant(): void {
    this.#grant?.(undefined);
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

import { LadderBody } from '@sluice/contract';
import Value from 'typebox/value';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { MediaServerError, playerAcceptance, type Renditions } from '../../core/index.ts';
import { ControlFixture } from '../testing/control-fixture.ts';

let fixture: ControlFixture;

beforeEach(() => {
  fixture = new ControlFixture();
});

afterEach(() => fixture.close());

const acceptance = playerAcceptance({ video: new Set(['h264']), audio: new Set(['aac']) });

const LADDER: Renditions = {
  enabled: () => true,
  admit: () => {},
  thinner: () => [],
  ladder: () => ({
    renditions: [
      {
        name: 'original',
        acceptance,
        original: true,
        size: { width: 1280, height: 720 },
        bandwidthBps: 2_000_000.4,
        fps: 30,
        estimatedCores: 0,
      },
      {
        name: '240',
        acceptance: { ...acceptance, key: '240', videoOutput: { height: 240 } },
        original: false,
        size: undefined,
        bandwidthBps: 400_000,
        fps: undefined,
        estimatedCores: 0.123_456,
      },
    ],
    estimatedCores: 0.123_456,
    freeCores: 1,
    notes: ['480: the machine has no room for it'],
  }),
};

async function ladder(base: string, name: string): Promise<{ status: number; body: LadderBody }> {
  const response = await fetch(`${base}/api/ladder?stream=${name}`);
  return { status: response.status, body: (await response.json()) as LadderBody };
}

describe('GET /api/ladder', () => {
  it('tells the qualities of a stream with what they are expected to cost', async () => {
    fixture.publish('room');
    const conversionBudget = () => ({ limitCores: 1.5, usedCores: 0.25 });
    const { status, body } = await ladder(await fixture.start({ renditions: LADDER, conversionBudget }), 'room');
    expect(status).toBe(200);
    expect(Value.Check(LadderBody, body)).toBe(true);
    expect(body).toEqual({
      renditions: [
        {
          ...{ name: 'original', width: 1280, height: 720, fps: 30, bandwidth: 2_000_000 },
          ...{ original: true, estimatedCores: 0, running: false },
        },
        {
          ...{ name: '240', width: 0, height: 0, fps: 0, bandwidth: 400_000 },
          ...{ original: false, estimatedCores: 0.123, running: false },
        },
      ],
      estimatedCores: 0.123,
      limitCores: 1.5,
      usedCores: 0.25,
      notes: ['480: the machine has no room for it'],
    });
  });

  it('says why there are none', async () => {
    fixture.publish('room');
    const off = await ladder(await fixture.start(), 'room');
    expect([off.status, off.body.renditions]).toEqual([200, []]);
    expect(off.body.notes).toEqual(['Qualities are switched off (hls_abr_enabled, transcoding_disabled).']);
    await fixture.server?.close();
    const full = (): never => {
      throw new MediaServerError('TRANSCODING_LIMIT', 'no processor time is left');
    };
    const { body } = await ladder(await fixture.start({ renditions: { ...LADDER, ladder: full } }), 'room');
    expect([body.renditions, body.notes]).toEqual([[], ['no processor time is left']]);
    await fixture.server?.close();
    const blind = await ladder(await fixture.start({ renditions: { ...LADDER, ladder: () => undefined } }), 'room');
    expect(blind.body.notes).toEqual(['The stream has no picture, or its size is not known yet.']);
  });

  it('knows no stream that is not live', async () => {
    expect((await ladder(await fixture.start({ renditions: LADDER }), 'nobody')).status).toBe(404);
  });
});

import { describe, expect, it } from 'vitest';
import { Stream } from '../core/index.ts';
import { describeOnce } from './stream-details.ts';
import { AAC, H264 } from './testing/control-fixture.ts';

const PARAMETERS = [new Uint8Array([1])];

function counting(): { describe: ReturnType<typeof describeOnce>; calls: () => number } {
  let calls = 0;
  return { describe: describeOnce(() => ({ video: { width: ++calls, height: 1 } })), calls: () => calls };
}

describe('the description of a stream', () => {
  it('is made once for the same parameters, and again when they change', () => {
    const { describe, calls } = counting();
    const stream = new Stream('a');
    stream.setTrack({ ...H264, parameters: PARAMETERS });
    expect([describe(stream), describe(stream), calls()]).toEqual([describe(stream), describe(stream), 1]);
    stream.setTrack({ ...H264, parameters: [new Uint8Array([2])] });
    expect(describe(stream).video?.width).toBe(2);
  });

  it('is made anew while a track has no parameters or none is there', () => {
    const { describe, calls } = counting();
    const stream = new Stream('a');
    describe(stream);
    describe(stream);
    stream.setTrack({ ...H264, parameters: PARAMETERS });
    stream.setTrack(AAC);
    describe(stream);
    describe(stream);
    expect(calls()).toBe(4);
  });
});

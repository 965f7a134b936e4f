import Value from 'typebox/value';
import { describe, expect, it } from 'vitest';
import { OverviewStream, StreamHint, StreamHistoryBody } from './index.ts';

describe('stream history', () => {
  it('may be empty', () => {
    const columns = [
      'videoBitsPerSecond',
      'audioBitsPerSecond',
      'framesPerSecond',
      'drops',
      'lost',
      'viewers',
      'gopMs',
    ];
    const more = ['keyFrameIntervalMs', 'longestGapMs', 'timesMs'];
    const series = Object.fromEntries([...columns, ...more].map((column) => [column, []]));
    const body = { name: 'room', startedMs: 1, intervalMs: 1000, ...series };
    expect(Value.Check(StreamHistoryBody, body)).toBe(true);
    expect(Value.Check(StreamHistoryBody, { ...body, drops: undefined })).toBe(false);
  });
});

describe('stream hints', () => {
  it('have one of the codes and severities that are listed', () => {
    const hint = { code: 'B_FRAMES', severity: 'warning', text: 'B-frames: turn them off' };
    expect(Value.Check(StreamHint, hint)).toBe(true);
    expect(Value.Check(StreamHint, { ...hint, code: 'OTHER' })).toBe(false);
    expect(Value.Check(StreamHint, { ...hint, severity: 'fatal' })).toBe(false);
  });

  it('are part of a stream in the overview', () => {
    const media = {
      publisher: null,
      video: null,
      audio: null,
      keyFrameIntervalMs: 0,
      hasBFrames: false,
      avOffsetMs: 0,
    };
    const stream = { name: 'a', viewers: 0, uptimeSeconds: 0, drops: 0, longestGapMs: 0, ...media };
    expect(Value.Check(OverviewStream, { ...stream, hints: [] })).toBe(true);
    expect(Value.Check(OverviewStream, { ...stream, hints: [{}] })).toBe(false);
    expect(Value.Check(OverviewStream, stream)).toBe(false);
  });
});

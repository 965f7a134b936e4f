import { describe, expect, it } from 'vitest';
import { readConnect } from './connect.ts';

function without(properties: Parameters<typeof readConnect>[0]): string[] {
  return [...readConnect(properties).without].sort();
}

describe('connect command of a player', () => {
  it('means that all codecs may be sent when it announces none', () => {
    expect(without({ app: 'live' })).toEqual([]);
    expect(without({ fourCcList: [] })).toEqual([]);
    expect(without({ fourCcList: 'hvc1', videoFourCcInfoMap: 7 })).toEqual([]);
  });

  it('limits video to a list of video codecs, and says nothing of audio then', () => {
    expect(without({ fourCcList: ['hvc1', 'av01'] })).toEqual(['vp8', 'vp9']);
    expect(without({ fourCcList: { 0: 'vp09' } as never })).toEqual(['av1', 'h265', 'vp8']);
  });

  it('limits audio to a list that names audio codecs', () => {
    expect(without({ fourCcList: ['mp4a'] })).toEqual(['opus']);
    expect(without({ fourCcList: ['Opus'] })).toEqual([]);
  });

  it('takes the wildcard for everything', () => {
    expect(without({ fourCcList: ['*'] })).toEqual([]);
    expect(without({ videoFourCcInfoMap: { '*': 1 } })).toEqual([]);
  });

  it('reads what a peer can decode or forward from its maps, which go before the list', () => {
    const map = { hvc1: 1, av01: 4, vp09: 2 };
    expect(without({ fourCcList: ['*'], videoFourCcInfoMap: map })).toEqual(['vp8', 'vp9']);
    expect(without({ audioFourCcInfoMap: { mp4a: 7 } })).toEqual(['opus']);
  });

  it('bounds what it reads of lists, maps and names', () => {
    const many = Array.from({ length: 100_000 }, (_, i) => `x${i}`);
    expect(without({ fourCcList: [...many, 'hvc1'] })).toEqual([]);
    expect(readConnect({ flashVer: 'v'.repeat(10_000), capsEx: 1e99 }).flashVer).toHaveLength(256);
  });
});

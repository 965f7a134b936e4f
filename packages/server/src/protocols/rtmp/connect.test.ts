import { describe, expect, it } from 'vitest';
import { readConnect } from './connect.ts';

function without(properties: Parameters<typeof readConnect>[0]): string[] {
  return [...readConnect(properties).without].sort();
}

function taken(properties: Parameters<typeof readConnect>[0]): string {
  const { video, audio } = readConnect(properties).acceptance;
  return `${[...video].sort().join(' ')} + ${[...audio].sort().join(' ')}`;
}

describe('what a player takes where other codecs can be converted', () => {
  it('is what players without Enhanced RTMP know when it announces nothing', () => {
    expect(taken({ app: 'live' })).toBe('flv1 h264 + aac pcma pcmu speex');
    expect(taken({ videoCodecs: 252, audioCodecs: 4071 })).toBe('flv1 h264 + aac pcma pcmu speex');
    expect(taken({ videoCodecs: 0, audioCodecs: 'all' })).toBe('flv1 h264 + aac pcma pcmu speex');
  });

  it('follows the bits of old codecs, but for H.264 and AAC, which all know', () => {
    expect(taken({ videoCodecs: 0x80, audioCodecs: 0x0400 })).toBe('h264 + aac');
    expect(taken({ videoCodecs: 0x04, audioCodecs: 3191 })).toBe('flv1 h264 + aac speex');
  });

  it('has the codecs beside it that it announces by FourCC, and only those', () => {
    expect(taken({ fourCcList: ['hvc1', 'Opus'] })).toBe('flv1 h264 h265 + aac opus pcma pcmu speex');
    expect(taken({ fourCcList: ['av01'] })).toBe('av1 flv1 h264 + aac pcma pcmu speex');
    expect(taken({ videoFourCcInfoMap: { vp09: 1, hvc1: 2 } })).toBe('flv1 h264 vp9 + aac pcma pcmu speex');
  });

  it('is everything for the wildcard', () => {
    const all = 'av1 flv1 h264 h265 vp8 vp9 + aac opus pcma pcmu speex';
    expect(taken({ fourCcList: ['*'] })).toBe(all);
    expect(taken({ videoFourCcInfoMap: { '*': 1 }, audioFourCcInfoMap: { '*': 1 } })).toBe(all);
  });
});

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

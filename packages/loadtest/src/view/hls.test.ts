import { parseLintedPlaylist } from '@sluice/media';
import { describe, expect, it } from 'vitest';
import { Figures } from '../figures/figures.ts';
import { heldBackS, nextOf, partsOf, segmentsOf, soundOf, startOf, variantsOf } from './hls-playlist.ts';
import { PlaybackBuffer } from './playback-buffer.ts';

const LIVE = `#EXTM3U
#EXT-X-VERSION:6
#EXT-X-TARGETDURATION:2
#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK=1.5
#EXT-X-PART-INF:PART-TARGET=0.5
#EXT-X-MEDIA-SEQUENCE:7
#EXTINF:2,
7.m4s
#EXTINF:2,
8.m4s
#EXT-X-PART:DURATION=0.5,URI="9.0.m4s",INDEPENDENT=YES
#EXT-X-PART:DURATION=0.5,URI="9.1.m4s"
#EXTINF:1,
9.m4s
#EXT-X-PART:DURATION=0.5,URI="10.0.m4s"
`;

describe('playlists', () => {
  const playlist = parseLintedPlaylist(LIVE);

  it('are played in segments from three target durations before the end', () => {
    const segments = segmentsOf(playlist);
    expect(segments.map(({ uri }) => uri)).toEqual(['7.m4s', '8.m4s', '9.m4s']);
    expect(heldBackS(playlist, false)).toBe(6);
    expect(startOf(segments, 3).map(({ uri }) => uri)).toEqual(['8.m4s', '9.m4s']);
    expect(startOf(segments, 100)).toHaveLength(3);
  });

  it('are played in parts from as far behind as they tell, and waited for', () => {
    const parts = partsOf(playlist);
    expect(parts.map(({ uri }) => uri)).toEqual(['7.m4s', '8.m4s', '9.0.m4s', '9.1.m4s', '10.0.m4s']);
    expect([...parts].sort((a, b) => a.order - b.order)).toEqual(parts);
    expect(startOf(parts, heldBackS(playlist, true)).map(({ uri }) => uri)).toEqual(['9.0.m4s', '9.1.m4s', '10.0.m4s']);
    expect(nextOf(playlist)).toEqual({ msn: 10, part: 1 });
  });

  it('of several variants lead to the first one, and to sound of its own', () => {
    const text = `#EXTM3U
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",URI="sound.m3u8"
#EXT-X-STREAM-INF:BANDWIDTH=1

picture.m3u8
`;
    expect(variantsOf(text)).toEqual(['picture.m3u8']);
    expect(soundOf(text)).toBe('sound.m3u8');
    expect(variantsOf(LIVE)).toEqual([]);
    expect(soundOf(LIVE)).toBeUndefined();
  });
});

describe('a player of segments', () => {
  it('freezes when it has shown all that it has', () => {
    const { counts } = new Figures();
    const buffer = new PlaybackBuffer(counts, 500);
    buffer.check(60_000);
    buffer.add(2000, 60_000);
    buffer.add(2000, 60_100);
    buffer.check(64_300);
    expect(counts.freezes).toBe(0);
    buffer.check(64_600);
    buffer.check(65_000);
    buffer.add(2000, 66_000);
    expect(counts).toMatchObject({ freezes: 1, frozenMs: 2000 });
    buffer.finish(67_000);
    expect(counts.freezes).toBe(1);
  });
});

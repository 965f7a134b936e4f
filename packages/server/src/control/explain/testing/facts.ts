import type {
  ExplainConversion,
  ExplainFindingCode,
  ExplainMedia,
  ExplainSession,
  ExplainStream,
  ExplainWebRtc,
} from '@sluice/contract';
import { expect } from 'vitest';
import type { ExplainFacts } from '../finding.ts';
import { verdictOf } from '../verdict.ts';

/** When all facts are of, milliseconds since 1970. */
export const NOW_MS = 1_800_000_000_000;

type Video = NonNullable<ExplainStream['video']>;
type Audio = NonNullable<ExplainStream['audio']>;

export function video(fields: Partial<Video> = {}): Video {
  return {
    ...{ codec: 'h264', bitrateBps: 2_000_000, muted: false, width: 1280, height: 720, fps: 25, keyFrames: 10 },
    ...{ keyFrameIntervalMs: 2000, hasBFrames: false, keyFramesOnRequest: false },
    ...{ lastPacketAgeMs: 30, lastKeyFrameAgeMs: 800, ...fields },
  };
}

export function audio(fields: Partial<Audio> = {}): Audio {
  return {
    ...{ codec: 'aac', bitrateBps: 128_000, muted: false, sampleRate: 48_000, channels: 2, lastPacketAgeMs: 20 },
    ...fields,
  };
}

export function stream(fields: Partial<ExplainStream> = {}): ExplainStream {
  return {
    publisher: { mediaSessionId: 'p', protocol: 'rtmp', remoteAddress: '203.0.113.7', sinceMs: NOW_MS - 60_000 },
    ...{ uptimeSeconds: 60, viewers: 1, video: video(), audio: audio(), longestGapMs: 50, avOffsetMs: 0 },
    ...{ conversions: [], hints: [], ...fields },
  };
}

export function webRtc(
  fields: { ice?: object; dtls?: object; srtp?: object; roundTripMs?: number } = {},
): ExplainWebRtc {
  return {
    ice: {
      ...{ state: 'connected', serverCandidates: ['198.51.100.4:31001'], clientCandidates: [], pairs: [] },
      ...{ unauthentic: 0, replayed: 0, refused: 0, tooMany: 0, restarts: 0 },
      ...{ firstCheckAfterMs: 40, consentAgeMs: 900, ...fields.ice },
    },
    dtls: { state: 'connected', role: 'server', discardedRecords: 0, ...fields.dtls },
    srtp: { malformed: 0, unauthentic: 0, replayed: 0, ...fields.srtp },
    roundTripMs: fields.roundTripMs ?? 20,
  };
}

/** A peer that no check has come from. */
export function unreached(ice: object = {}): ExplainWebRtc {
  const { firstCheckAfterMs: _first, consentAgeMs: _last, ...rest } = webRtc().ice;
  return { ...webRtc({ dtls: { state: 'waiting' } }), ice: { ...rest, state: 'waiting', ...ice } };
}

export function media(kind: 'video' | 'audio', fields: Partial<ExplainMedia> = {}): ExplainMedia {
  return { kind, delivery: 'as_is', ...fields };
}

export function session(fields: Partial<ExplainSession> = {}): ExplainSession {
  return {
    ...{ mediaSessionId: 'p1', sessionId: '/203.0.113.9:50000/198.51.100.4:8080', streamName: 'room' },
    ...{ protocol: 'webrtc', mediaType: 'play', status: 'PLAYING', remoteAddress: '203.0.113.9' },
    ...{ sinceMs: NOW_MS - 10_000, drops: {}, media: [media('video'), media('audio')], ...fields },
  };
}

export function past(fields: Partial<ExplainSession> = {}): ExplainSession {
  return session({ mediaSessionId: 'gone', status: 'FAILED', endedMs: NOW_MS - 5000, ...fields });
}

export function facts(fields: Partial<ExplainFacts> = {}): ExplainFacts {
  return {
    ...{ atMs: NOW_MS, name: 'room', live: true, stream: stream(), sessions: [], sessionsOmitted: 0, past: [] },
    ...fields,
  };
}

/** Facts of a stream with one player. */
export function withPlayer(fields: Partial<ExplainSession>, streamFields: Partial<ExplainStream> = {}): ExplainFacts {
  return facts({ sessions: [session({ webrtc: webRtc(), ...fields })], stream: stream(streamFields) });
}

export function notLive(fields: Partial<ExplainFacts> = {}): ExplainFacts {
  const { stream: _none, ...rest } = facts();
  return { ...rest, live: false, ...fields };
}

/** A conversion that keeps up. */
export const AAC_TO_OPUS: ExplainConversion = {
  kind: 'audio',
  ...{ from: 'aac', to: 'opus', sinceMs: NOW_MS, users: 1, worker: 4711 },
  ...{ cpuShare: 0.012, msPerFrame: 0.4, queued: 0, dropped: 0, damaged: 0 },
};

/** What is to be found: its text and its advice match. */
export type Expected = readonly [ExplainFindingCode, 'error' | 'warning' | 'info', ...RegExp[]];

/** What is so, and all that is found. */
export type Case = readonly [string, ExplainFacts, readonly Expected[]];

/** A test of what is said of facts: all findings in their order, each with what its text and advice say. */
export function checkVerdict(given: ExplainFacts, expected: readonly Expected[]): void {
  const verdict = verdictOf(given);
  expect(verdict.map(({ code, severity }) => [code, severity])).toEqual(
    expected.map(([code, severity]) => [code, severity]),
  );
  for (const [i, [, , text = /./, advice = /(?:)/]] of expected.entries()) {
    expect(verdict[i]?.text).toMatch(text);
    expect(verdict[i]?.advice).toMatch(advice);
  }
}

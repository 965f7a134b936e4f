import { describe, expect, test } from 'vitest';
import {
  AAC_TO_OPUS,
  audio,
  type Case,
  checkVerdict,
  facts,
  media,
  NOW_MS,
  notLive,
  past,
  session,
  stream,
  unreached,
  video,
  webRtc,
  withPlayer,
} from './testing/facts.ts';
import { verdictOf } from './verdict.ts';

/** What is so, and all that is found, each with what its text and advice say. */
const CASES: readonly Case[] = [
  ['a stream that goes well', facts(), [['ALL_WELL', 'info', /picture and sound, and nobody watches/]]],
  ['one viewer who gets it', withPlayer({}), [['ALL_WELL', 'info', /one viewer gets it/]]],
  [
    'viewers that are about to connect',
    facts({ sessions: [session({ status: 'PENDING', webrtc: unreached(), sinceMs: NOW_MS - 100 })] }),
    [['ALL_WELL', 'info', /nobody watches; 1 more is about to connect/]],
  ],
  ['a name that nobody publishes', notLive(), [['NOT_LIVE', 'error', /Nobody publishes it/, /very same name/]]],
  [
    'a name that is nearly that of others',
    notLive({ similarNames: ['Room', 'room2'] }),
    [['NOT_LIVE', 'error', /./, /Live are "Room" and "room2"\./]],
  ],
  [
    'a client that the back end refused',
    facts({ past: [past({ lastError: 'no subscription' })] }),
    [['FAILED', 'error', /failed: no subscription\./, /back end/]],
  ],
  [
    'a publication that ended',
    notLive({ past: [past({ mediaType: 'publish', status: 'UNPUBLISHED', lastError: 'peer left' })] }),
    [['NOT_LIVE', 'error', /ended 5 s ago: peer left/]],
  ],
  [
    'viewers whose publisher has gone',
    facts({ live: false, stream: stream({ publisher: null }) }),
    [['WAITS_FOR_PUBLISHER', 'error', /has gone/, /publisher_reconnect_wait/]],
  ],
  [
    'a publisher that has sent nothing',
    facts({ stream: stream({ video: null, audio: null }) }),
    [['NO_MEDIA_FROM_PUBLISHER', 'error', /neither picture nor sound/, /camera/]],
  ],
  [
    'a publisher that has only just come',
    facts({ stream: stream({ video: null, audio: null, uptimeSeconds: 1 }) }),
    [['ALL_WELL', 'info', /has nothing yet/]],
  ],
  [
    'a publisher that has ceased to send, not said again by the hints',
    facts({
      stream: stream({
        video: video({ lastPacketAgeMs: 9000 }),
        audio: audio({ lastPacketAgeMs: 8000 }),
        hints: [{ code: 'VIDEO_MISSING', severity: 'warning', text: 'none' }],
      }),
    }),
    [['NO_MEDIA_FROM_PUBLISHER', 'error', /for 8 s, although/]],
  ],
  [
    'a WebRTC publisher that was never reached: nothing else is to be said of its silence',
    facts({
      stream: stream({ video: null, audio: null }),
      sessions: [session({ mediaType: 'publish', status: 'PENDING', webrtc: unreached() })],
    }),
    [['NO_ICE', 'error', /the publisher’s connectivity checks/]],
  ],
  [
    'a muted microphone',
    facts({ stream: stream({ audio: audio({ muted: true }) }) }),
    [['MUTED', 'warning', /muted its sound/, /microphone/]],
  ],
  [
    'hints to the publisher',
    facts({ stream: stream({ hints: [{ code: 'B_FRAMES', severity: 'warning', text: 'B-frames: turn them off.' }] }) }),
    [['B_FRAMES', 'warning', /turn them off/]],
  ],
  [
    'loss on the way here',
    facts({
      sessions: [
        session({
          mediaType: 'publish',
          webrtc: webRtc(),
          media: [media('video', { lossFraction: 0.08, recovered: 12, nacks: 40 })],
        }),
      ],
    }),
    [['PUBLISHER_LOSS', 'warning', /8 % of the packets .*12 others came again/, /bitrate/]],
  ],
  [
    'a wait for a key frame',
    withPlayer(
      { media: [media('video', { waitsForKeyFrame: true })] },
      { video: video({ lastKeyFrameAgeMs: 12_000, keyFrameIntervalMs: 30_000 }) },
    ),
    [['WAITS_FOR_KEY_FRAME', 'error', /came 12 s ago, they are 30 s apart/, /2 s \(OBS/]],
  ],
  [
    'a wait for a key frame of a source that can be asked',
    withPlayer({ media: [media('video', { waitsForKeyFrame: true })] }, { video: video({ keyFramesOnRequest: true }) }),
    [['WAITS_FOR_KEY_FRAME', 'error', /waits for a key frame/, /was asked for one/]],
  ],
  [
    'sound that is converted: all is well',
    withPlayer({ media: [media('audio', { delivery: 'converted', codec: 'opus', conversion: AAC_TO_OPUS })] }),
    [
      ['ALL_WELL', 'info'],
      ['CODEC_CONVERTED', 'info', /from AAC to Opus .*process 4711, 1\.2 % of a core, 0\.4 ms/, /sends Opus/],
    ],
  ],
  [
    'a picture that is encoded anew for its B-frames',
    withPlayer({
      media: [
        media('video', {
          delivery: 'converted',
          conversion: { ...AAC_TO_OPUS, kind: 'video', from: 'h264', to: 'h264' },
        }),
      ],
    }),
    [
      ['ALL_WELL', 'info'],
      ['CODEC_CONVERTED', 'info', /encoded anew as H\.264, as its pictures are out of order \(B-frames\)/],
    ],
  ],
  [
    'a wait for the first picture of a conversion: the publisher’s key frames are not to blame',
    withPlayer({
      media: [
        media('video', {
          delivery: 'pending',
          waitsForKeyFrame: true,
          conversion: { ...AAC_TO_OPUS, kind: 'video', from: 'vp8', to: 'h264', busyShare: 0.5 },
        }),
      ],
    }),
    [
      [
        'CONVERSION_SLOW',
        'error',
        /nothing has come out of the conversion from VP8 to H\.264, whose worker is busy 50 %/,
      ],
    ],
  ],
  [
    'a conversion that does not keep up',
    facts({ stream: stream({ conversions: [{ ...AAC_TO_OPUS, busyShare: 0.97, queued: 60 }] }) }),
    [['CONVERSION_SLOW', 'warning', /busy with it 97 % of the time and 60 packets wait/]],
  ],
  [
    'a picture that can not be sent',
    withPlayer({
      media: [
        media('video', {
          delivery: 'left_out',
          offered: ['VP8', 'VP9/0'],
          refused: [{ codec: 'H.265', reason: 'not_offered', text: 'the stream has H.265, which it does not offer' }],
        }),
      ],
    }),
    [['VIDEO_LEFT_OUT', 'error', /no picture: the stream has H\.265.*It offers VP8 and VP9\/0\./, /Publish H\.264/]],
  ],
  [
    'sound that can not be sent',
    withPlayer({ media: [media('audio', { delivery: 'left_out', reason: 'workers keep dying of it' })] }),
    [['AUDIO_LEFT_OUT', 'error', /no sound: workers keep dying/, /Opus/]],
  ],
  [
    'loss on the way to a viewer',
    withPlayer({ media: [media('video', { lossFraction: 0.05, nacks: 30, resent: 28 })] }),
    [['LOSS', 'warning', /5 % of the packets of its picture are lost; it asked for 30 again and was sent 28/]],
  ],
  [
    'much loss on the way to a viewer',
    withPlayer({ media: [media('video', { lossFraction: 0.3 })] }),
    [['LOSS', 'error', /30 %/]],
  ],
  [
    'a viewer that does not read',
    withPlayer({ protocol: 'rtmp', drops: { slow_viewer: 12 }, tcp: { queuedBytes: 9000, blockedMs: 3000 } }),
    [['SLOW_VIEWER', 'warning', /nothing for 3 s, 9000 bytes wait for it and 12 packets were skipped/]],
  ],
  [
    'a viewer that has paused is not slow',
    withPlayer({ protocol: 'rtmp', tcp: { queuedBytes: 0, paused: true, behindMs: 60_000 } }),
    [
      ['ALL_WELL', 'info'],
      ['PAUSED', 'info'],
    ],
  ],
  [
    'HLS without a segment',
    withPlayer({ protocol: 'hls', tcp: { queuedBytes: 0, segments: 0 } }),
    [['HLS_NOT_READY', 'warning', /segments end at key frames/]],
  ],
  [
    'a stream that HLS can not carry',
    withPlayer({ protocol: 'hls', tcp: { queuedBytes: 0, segments: 0, refusal: 'its picture is Sorenson' } }),
    [['HLS_NOT_READY', 'error', /its picture is Sorenson/]],
  ],
  [
    'a viewer that was refused a moment ago',
    facts({
      past: [
        past({
          errorCode: 'NO_COMMON_CODECS',
          endedMs: NOW_MS,
          media: [
            media('video', {
              delivery: 'pending',
              offered: ['VP8'],
              refused: [{ codec: 'VP8', reason: 'disabled', text: 'VP8 is turned off' }],
            }),
          ],
        }),
      ],
    }),
    [
      [
        'NO_COMMON_CODECS',
        'error',
        /VP8 is turned off\. It offered VP8\. That was just now/,
        /codecs_exclude_streaming/,
      ],
    ],
  ],
  [
    'a viewer that only the settings keep out',
    facts({ past: [past({ errorCode: 'TRANSCODING_DISABLED', lastError: 'conversions are off' })] }),
    [['TRANSCODING_DISABLED', 'error', /conversions are off/, /transcoding_disabled=false/]],
  ],
  [
    'a failure of ten minutes ago is no trouble any more',
    facts({ past: [past({ errorCode: 'ice_timeout', endedMs: NOW_MS - 600_000, webrtc: unreached() })] }),
    [
      ['ALL_WELL', 'info'],
      ['NO_ICE', 'info', /That was 600 s ago/],
    ],
  ],
  [
    'a client that gave up by itself',
    facts({ past: [past({ errorCode: 'client_left', lastError: 'the client ended it' })] }),
    [['FAILED', 'warning', /A playback by webrtc from 203\.0\.113\.9 failed: the client ended it \(client_left\)/]],
  ],
  [
    'a name that somebody asked for too early',
    notLive({ past: [past({ errorCode: 'STREAM_NOT_FOUND', lastError: 'there is no stream "room"' })] }),
    [
      ['NOT_LIVE', 'error'],
      ['FAILED', 'error', /there is no stream/, /Publish the stream first/],
    ],
  ],
];

describe('the verdict on', () => {
  test.each(CASES)('%s', (_what, given, expected) => checkVerdict(given, expected));
});

describe('the verdict', () => {
  test('puts errors before warnings, and causes before what follows from them', () => {
    const verdict = verdictOf(
      facts({
        stream: stream({
          audio: audio({ muted: true }),
          hints: [{ code: 'KEY_FRAME_INTERVAL_LONG', severity: 'warning', text: 'long' }],
        }),
        sessions: [
          session({ mediaSessionId: 'a', webrtc: webRtc(), media: [media('audio', { delivery: 'left_out' })] }),
          session({ mediaSessionId: 'b', webrtc: unreached() }),
        ],
      }),
    );
    expect(verdict.map(({ code }) => code)).toEqual(['NO_ICE', 'AUDIO_LEFT_OUT', 'MUTED', 'KEY_FRAME_INTERVAL_LONG']);
  });

  test('tells what is so with many sessions once, with the ids of ten', () => {
    const sessions = Array.from({ length: 14 }, (_, i) =>
      session({ mediaSessionId: `p${i}`, webrtc: webRtc(), media: [media('video', { lossFraction: 0.1 })] }),
    );
    const verdict = verdictOf(facts({ sessions }));
    expect(verdict).toHaveLength(1);
    expect(verdict[0]).toMatchObject({ code: 'LOSS', sessions: 14, mediaSessionIds: expect.arrayContaining(['p9']) });
    expect(verdict[0]?.mediaSessionIds).toHaveLength(10);
    expect(verdict[0]?.text).toContain('13 other sessions');
  });

  test('says of a session that was asked for that it has ended, and does not call that well', () => {
    const ended = past({ status: 'STOPPED', lastError: 'stopped by the client' });
    expect(verdictOf(facts({ past: [ended] }), 'gone')).toMatchObject([
      { code: 'ENDED', severity: 'info', text: expect.stringContaining('stopped by the client') },
    ]);
    expect(verdictOf(facts({ past: [ended] })).map(({ code }) => code)).toEqual(['ALL_WELL']);
  });

  test('of a session that was asked for, takes a failure seriously however long ago', () => {
    const old = past({ errorCode: 'terminated', lastError: 'by the operator', endedMs: NOW_MS - 3_600_000 });
    expect(verdictOf(facts({ past: [old] }), 'gone')[0]).toMatchObject({ code: 'FAILED', severity: 'error' });
  });

  test('has a bound', () => {
    const sessions = Array.from({ length: 50 }, (_, i) =>
      session({
        mediaSessionId: `p${i}`,
        webrtc: unreached({ serverCandidates: [`198.51.100.4:${i + 1}`] }),
      }),
    );
    expect(verdictOf(facts({ sessions }))).toHaveLength(30);
  });
});

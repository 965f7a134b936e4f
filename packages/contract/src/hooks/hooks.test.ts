import Type, { type TObject } from 'typebox';
import Value from 'typebox/value';
import { describe, expect, it } from 'vitest';
import { HOOK_BODIES, HOOK_KINDS, isHookName, RestClientConfig, SENT_HOOKS } from './index.ts';

const ORIGIN = {
  nodeId: 'Qb3rAjf3lzoy6PEl1WZkUhRG1DsTykgj@192.168.1.1',
  sessionId: '/127.0.0.1:5643/192.168.1.1:1935',
};
const NUMBERS = { width: 0, height: 0, bitrate: 0, minBitrate: 0, maxBitrate: 0, quality: 0 };

/** Bodies that WCS's documents show (rest-hooks.md §6). */
const SAMPLES: readonly (readonly [keyof typeof HOOK_BODIES, object])[] = [
  [
    'connect',
    {
      ...ORIGIN,
      appKey: 'flashStreamingApp',
      useWsTunnel: false,
      useWsTunnelPacketization2: false,
      useBase64BinaryEncoding: false,
      keepAlive: false,
      custom: { connectParam1: 'val1', connectParam2: 'val2' },
      login: 'rQq83sodiCPY0pJXCxGO',
    },
  ],
  [
    'publishStream',
    {
      ...ORIGIN,
      appKey: 'flashStreamingApp',
      mediaSessionId: '627990f9-8fe5-4e92-bb2a-863cc4eb43de',
      name: 'stream1',
      published: true,
      hasVideo: false,
      hasAudio: true,
      status: 'NEW',
      record: true,
      ...NUMBERS,
      mediaProvider: 'Flash',
      custom: { streamParam1: 'val1' },
    },
  ],
  [
    'playHLS',
    {
      nodeId: 'pnud9LxMUcOGJ7agrzSLYTL60WXRQZRw@192.168.1.5',
      appKey: 'defaultApp',
      sessionId: 'test-HLS',
      mediaSessionId: '67b9223e-ede9-4265-af6e-d2ce703754e0-test-HLS',
      name: 'test',
      published: false,
      hasVideo: false,
      hasAudio: true,
      status: 'NEW',
      record: false,
      ...NUMBERS,
      mediaProvider: 'HLS',
      token: '12...',
    },
  ],
  [
    'StreamStatusEvent',
    {
      ...ORIGIN,
      appKey: 'defaultApp',
      mediaSessionId: 'c43a28b7-9a4d-45f8-a010-57b959a22755',
      name: 'e6dcaedd-f084-49df-8262-7ce906e42eb2',
      published: true,
      hasVideo: true,
      hasAudio: true,
      status: 'PUBLISHING',
      audioCodec: 'PCMA',
      videoCodec: 'VP8',
      record: false,
      ...NUMBERS,
      history: false,
      gop: 0,
      fps: 0,
      audioBitrate: 0,
      codecImpl: '',
      transport: 'UDP',
      cvoExtension: false,
      createDate: 1664260776957,
      mediaType: 'publish',
      audioState: { muted: false },
      videoState: { muted: false },
      mediaProvider: 'WebRTC',
    },
  ],
];

describe('hooks', () => {
  it.each(SAMPLES)('%s has the fields that WCS shows, and its types', (hook, sample) => {
    const schema: TObject = HOOK_BODIES[hook];
    const strict = Type.Object(schema.properties, { additionalProperties: false });
    expect([...Value.Errors(strict, sample)]).toEqual([]);
    expect(Value.Check(strict, { ...sample, more: 1 })).toBe(false);
  });

  it('that are sent are hooks of WCS, and tell all whom they are about', () => {
    for (const hook of SENT_HOOKS) {
      expect(isHookName(hook)).toBe(true);
      expect(Object.keys(HOOK_BODIES[hook].properties)).toEqual(
        expect.arrayContaining(['nodeId', 'appKey', 'sessionId']),
      );
      expect(HOOK_KINDS[hook] === 'event').toBe(hook.endsWith('Event') && hook !== 'OnDataEvent');
    }
    expect(isHookName('constructor')).toBe(false);
  });

  it('are governed by what WCS shows as restClientConfig', () => {
    const publishStream = {
      restExclude: '',
      clientExclude: '',
      restOnError: 'FAIL',
      restPolicy: 'OVERWRITE',
      restOverwrite: 'name, record',
    };
    expect(Value.Check(RestClientConfig, { publishStream })).toBe(true);
    expect(Value.Check(RestClientConfig, { publishStream: { restOnError: 'MAYBE' } })).toBe(false);
  });
});

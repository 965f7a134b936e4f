import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import type { ReceiveOptions } from '../protocols/webrtc/index.ts';
import { loadSettings } from './settings/index.ts';
import { webRtcOptions } from './webrtc-options.ts';

const dataDir = mkdtempSync(join(tmpdir(), 'sluice-webrtc-options-'));
afterAll(() => rmSync(dataDir, { recursive: true }));

function optionsOf(sets: readonly string[]): ReturnType<typeof webRtcOptions> {
  return webRtcOptions(loadSettings({ env: {}, sets }).settings, { dataDir, host: '127.0.0.1' });
}

test.each<[sets: string[], options: Partial<ReceiveOptions>]>([
  [[], { jitterBufferCapacity: 60, strictness: 'DEFAULT', keyFrameRequestIntervalMs: 1000, transportCc: true }],
  [[], { periodicKeyFrameRequestMs: 0, minBitrateBps: 30_000, maxBitrateBps: 10_000_000 }],
  [['jitter_buffer_capacity=15'], { jitterBufferCapacity: 15 }],
  [['jitter_buffer_strictness=TOLERANT'], { strictness: 'TOLERANT' }],
  [['use_strict_jitter_buffer=true'], { strictness: 'STRICT' }],
  [['rtcp_pli_request_interval=5000'], { keyFrameRequestIntervalMs: 5000 }],
  [['periodic_fir_request=true'], { periodicKeyFrameRequestMs: 5000 }],
  [['periodic_fir_request=true', 'periodic_fir_request_interval=2000'], { periodicKeyFrameRequestMs: 2000 }],
  [['periodic_fir_request_interval=2000'], { periodicKeyFrameRequestMs: 0 }],
  [['webrtc_cc2_twcc=false'], { transportCc: false }],
  [
    ['webrtc_cc_min_bitrate=1000000', 'webrtc_cc_max_bitrate=3000000'],
    { minBitrateBps: 1_000_000, maxBitrateBps: 3_000_000 },
  ],
])('with %o publishers are received with %o', async (sets, expected) => {
  expect((await optionsOf(sets)).receiveOptionsFor('any')).toMatchObject(expected);
});

test('what is written into answers to publishers is as the settings say', async () => {
  const settings = ['webrtc_sdp_min_bitrate_bps=3000000', 'webrtc_sdp_max_bitrate_bps=7000000', 'webrtc_red=false'];
  const options = await optionsOf([...settings, 'webrtc_simulcast=false', 'webrtc_cc2_twcc=false']);
  expect(options).toMatchObject({
    sdpMinBitrateBps: 3_000_000,
    sdpMaxBitrateBps: 7_000_000,
    red: false,
    simulcast: false,
    transportCc: false,
  });
});

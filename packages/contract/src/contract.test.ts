import Value from 'typebox/value';
import { describe, expect, it } from 'vitest';
import { ErrorBody, OverviewBody, StreamObject } from './index.ts';

describe('contract', () => {
  it('accepts the error body that rest-api.md §1.5 shows', () => {
    const sample = {
      timestamp: 1640836780816,
      status: 404,
      error: 'Not Found',
      message: 'Stream not found',
      path: '/rest-api/stream/terminate',
    };
    expect(Value.Check(ErrorBody, sample)).toBe(true);
    expect(Value.Check(ErrorBody, { ...sample, status: '404' })).toBe(false);
  });

  it('has every field of the WCS stream object', () => {
    const fields = [
      'nodeId',
      'appKey',
      'sessionId',
      'mediaSessionId',
      'name',
      'published',
      'hasVideo',
      'hasAudio',
      'status',
      'sdp',
      'audioCodec',
      'videoCodec',
      'record',
      'recordName',
      'width',
      'height',
      'bitrate',
      'minBitrate',
      'maxBitrate',
      'quality',
      'history',
      'gop',
      'fps',
      'audioBitrate',
      'codecImpl',
      'transport',
      'cvoExtension',
      'createDate',
      'mediaType',
      'audioState',
      'videoState',
      'mediaProvider',
      'custom',
      'parentMediaSessionId',
      'metrics',
    ];
    expect(Object.keys(StreamObject.properties).sort()).toEqual(fields.sort());
  });

  it('tells an overview without streams', () => {
    const empty = {
      server: { version: '0.1.0', uptimeSeconds: 1, node: 'v20.20.2' },
      ports: {
        rtmp: 1935,
        hls: 8082,
        http: 8081,
        https: 8444,
        ws: 8080,
        wss: 8443,
        rtsp: 5554,
        srt: 8890,
        webrtc: true,
        hlsSecure: 0,
        mse: true,
        lowLatencyHls: true,
        dash: true,
        hlsLadder: false,
      },
      addresses: ['192.0.2.1'],
      streams: [],
      records: true,
      snapshots: false,
    };
    expect(Value.Check(OverviewBody, empty)).toBe(true);
  });
});

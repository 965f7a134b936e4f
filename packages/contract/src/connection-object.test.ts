import { describe, expect, it } from 'vitest';
import { ConnectionObject, StreamMetrics } from './index.ts';

describe('contract', () => {
  it('has every field of the WCS connection object', () => {
    const fields =
      'custom nodeId appKey sessionId sipRegisterRequired sipLogin sipAuthenticationName sipPassword sipVisibleName ' +
      'sipDomain sipOutboundProxy sipPort sipContactParams width height supportedResolutions useProxy useDTLS ' +
      'useWsTunnel useWsTunnelPacketization2 useBase64BinaryEncoding mediaProviders status authToken clientVersion ' +
      'clientOSVersion clientBrowserVersion keepAlive origin login createDate';
    expect(Object.keys(ConnectionObject.properties).sort()).toEqual(fields.split(' ').sort());
  });

  it('has every metric of the WCS stream object', () => {
    const metrics =
      'VIDEO_HEIGHT VIDEO_WIDTH VIDEO_RATE VIDEO_SYNC VIDEO_FPS VIDEO_NACK VIDEO_PLI VIDEO_CODEC VIDEO_K_FRAMES ' +
      'VIDEO_P_FRAMES VIDEO_B_FRAMES VIDEO_GOP_SIZE VIDEO_LOST AUDIO_SYNC AUDIO_RATE AUDIO_LOST AUDIO_CODEC';
    expect(Object.keys(StreamMetrics.properties).sort()).toEqual(metrics.split(' ').sort());
  });
});

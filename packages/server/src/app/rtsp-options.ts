import type { AudioCodec, VideoCodec } from '@sluice/media';
import { MediaServerError } from '../core/index.ts';
import type { TlsIdentity } from '../io/index.ts';
import type { RtspAddress, RtspServerOptions } from '../protocols/rtsp/index.ts';
import type { Settings } from './settings/index.ts';

/** Where RTSP and RTSPS are listened for; empty when both are off. */
export function rtspAddresses(settings: Settings, host: string): readonly RtspAddress[] {
  const plain = settings['rtsp.port'];
  const secure = settings['rtsps.port'];
  return [
    ...(plain === 0 ? [] : [{ host, port: plain }]),
    ...(secure === 0 ? [] : [{ host, port: secure, secure: true }]),
  ];
}

/**
 * The RTSP server's options as the settings say.
 * @throws MediaServerError CONFIG_INVALID for an odd `rtsp_udp_port`
 */
export function rtspServerOptions(
  settings: Settings,
  place: { readonly host: string; readonly listen: readonly RtspAddress[]; readonly tls: TlsIdentity | undefined },
): Partial<RtspServerOptions> {
  const udpPort = settings.rtsp_udp_port;
  if (udpPort % 2 !== 0)
    throw new MediaServerError('CONFIG_INVALID', `rtsp_udp_port=${udpPort} is odd: RTP takes an even port`);
  return {
    listen: place.listen,
    tls: place.tls,
    udp: settings.rtsp_udp_enabled ? { host: place.host, port: udpPort } : undefined,
    maxConnections: settings.rtsp_max_connections,
    sessionTimeoutMs: settings.rtsp_session_timeout,
    publishEnabled: settings.rtsp_publish_enabled,
    recordPublished: settings.record_rtsp_streams,
    videoCodecs: new Set(settings.rtsp_video_codecs as readonly VideoCodec[]),
    audioCodecs: new Set(settings.rtsp_audio_codecs as readonly AudioCodec[]),
    tokenField: settings.client_acl_property_name || 'token',
  };
}

import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { join } from 'node:path';
import { MediaServerError } from '../core/index.ts';
import {
  codecsFromNames,
  createDtlsCertificate,
  type IceTcpOptions,
  type ReceiveOptions,
  resolveWebRtcOptions,
  type WebRtcOptions,
  type WhipOptions,
} from '../protocols/webrtc/index.ts';
import { webHeaders } from './protocol-options.ts';
import { namePattern } from './rtmp-options.ts';
import { parseActivity, type Settings } from './settings/index.ts';
import { keptIdentity } from './tls-identity.ts';

/**
 * The options of WebRTC as the settings say. Makes the certificate of the media transport at the first start.
 * @throws MediaServerError CONFIG_INVALID when `ip` is a name that can't be resolved
 */
export async function webRtcOptions(
  settings: Settings,
  place: { readonly dataDir: string; readonly host: string },
): Promise<WebRtcOptions> {
  // Not the certificate of the TLS ports: that one may be of a kind that WebRTC's own handshake does not use.
  const { identity } = await keptIdentity(join(place.dataDir, 'webrtc'), 'sluice');
  return resolveWebRtcOptions({
    host: place.host,
    port: settings.media_port_from,
    addresses: await advertised(settings.ip),
    certificate: createDtlsCertificate(identity),
    maxPeers: settings.webrtc_max_peers,
    iceTimeoutMs: settings.webrtc_ice_timeout,
    dtlsTimeoutMs: settings.webrtc_dtls_timeout,
    consentTimeoutMs: settings.webrtc_consent_timeout,
    receiveBufferBytes: settings.rtp_receive_buffer_size,
    sendBufferBytes: settings.rtp_send_buffer_size,
    ...codecsFromNames(settings.codecs, settings.codecs_exclude_streaming),
    h264Profiles: settings.profiles,
    sdpMinBitrateBps: settings.webrtc_sdp_min_bitrate_bps,
    sdpMaxBitrateBps: settings.webrtc_sdp_max_bitrate_bps,
    transportCc: settings.webrtc_cc2_twcc,
    receiveOptionsFor: receiveOptions(settings),
    tcp: settings.ice_tcp_enabled ? iceTcpOptions(settings) : undefined,
    prefersTcp: settings.ice_tcp_transport,
    simulcast: settings.webrtc_simulcast,
    pauseLayersAfterMs: settings.webrtc_simulcast_pause ? settings.webrtc_simulcast_pause_after : undefined,
    red: settings.webrtc_red,
    sending: {
      transportCc: settings.webrtc_players_twcc,
      pacing: settings.webrtc_pacing,
      timedFrames: settings.av_paced_sender ? settings.av_paced_sender_max_buffer_size : 0,
      startBitrateBps: settings.webrtc_start_bitrate,
      thinning: settings.webrtc_thinning,
    },
  });
}

function iceTcpOptions(settings: Settings): IceTcpOptions {
  return {
    maxConnections: settings.ice_tcp_max_connections,
    sendBufferBytes: settings.ice_tcp_send_buffer_size,
    receiveBufferBytes: settings.ice_tcp_receive_buffer_size,
    highWaterBytes: settings.ice_tcp_channel_high_water_mark,
    lowWaterBytes: settings.ice_tcp_channel_low_water_mark,
  };
}

/** WHIP and WHEP are on the web port, so what that tells browsers of other origins holds for them too. */
export function whipOptions(settings: Settings): Partial<WhipOptions> {
  return {
    playWaitMs: settings.whep_play_wait,
    recordPublished: settings.record_whip_published_streams,
    headers: webHeaders(settings),
  };
}

/** What is told as the server's address: `ip`, as an address; nothing for those of this machine. */
async function advertised(ip: string): Promise<readonly string[]> {
  if (ip === '') return [];
  if (isIP(ip) !== 0) return [ip];
  try {
    const found = await lookup(ip, { all: true });
    return found.map(({ address }) => address);
  } catch (cause) {
    throw new MediaServerError('CONFIG_INVALID', `ip=${ip} can't be resolved: WebRTC needs an address`, { cause });
  }
}

function receiveOptions(settings: Settings): (streamName: string) => ReceiveOptions {
  const activity = parseActivity(settings.rtp_activity_detecting);
  const noSound = namePattern(settings.rtp_activity_audio_exclude);
  const noPicture = namePattern(settings.rtp_activity_video_exclude);
  return (name) => ({
    jitterBufferCapacity: settings.jitter_buffer_capacity,
    strictness: settings.use_strict_jitter_buffer ? 'STRICT' : settings.jitter_buffer_strictness,
    keyFrameRequestIntervalMs: settings.rtcp_pli_request_interval,
    periodicKeyFrameRequestMs: settings.periodic_fir_request ? settings.periodic_fir_request_interval : 0,
    transportCc: settings.webrtc_cc2_twcc,
    minBitrateBps: settings.webrtc_cc_min_bitrate,
    maxBitrateBps: settings.webrtc_cc_max_bitrate,
    activityTimeoutMs: activity?.enabled === true ? activity.seconds * 1000 : 0,
    watchesAudio: settings.rtp_activity_audio && noSound?.test(name) !== true,
    watchesVideo: settings.rtp_activity_video && noPicture?.test(name) !== true,
  });
}

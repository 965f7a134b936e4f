import { MediaServerError, type RelayProtocol, type StreamResolver } from '../core/index.ts';
import type { Engine } from '../engine/index.ts';
import type { OutboundGuard } from '../io/index.ts';
import { type SrtRelayOptions, SrtRelayProtocol, UdpRelayProtocol } from '../protocols/mpegts/index.ts';
import { type RtmpRelayOptions, RtmpRelayProtocol } from '../protocols/rtmp/index.ts';
import { parseInterleavedChannels, type RtspRelayOptions, RtspRelayProtocol } from '../protocols/rtsp/index.ts';
import { type WebRtcOptions, WebRtcRelayProtocol } from '../protocols/webrtc/index.ts';
import {
  AutoPush,
  GuardedAddresses,
  type RelayDeps,
  type RelayOptions,
  RelayResolver,
  RelayServer,
} from '../relays/index.ts';
import { namePattern } from './rtmp-options.ts';
import type { Settings } from './settings/index.ts';

/** Streams to and from other servers, and all that belongs to them. */
export interface RelayParts {
  readonly relays: RelayServer;
  /** Makes streams of addresses that viewers ask for. */
  readonly resolver: RelayResolver;
  /** Pushes what the settings name. After all that publishes. */
  start(): void;
  close(): Promise<void>;
}

export interface RelayPlace extends Omit<RelayDeps, 'resolvers' | 'protocols' | 'outbound'> {
  readonly outbound: OutboundGuard;
}

/** Who fetches and sends streams; `resolvers` make streams that are to be sent, and sounds. */
export function makeRelays(
  settings: Settings,
  place: RelayPlace,
  parts: { readonly protocols: readonly RelayProtocol[]; readonly resolvers: readonly StreamResolver[] },
): RelayParts {
  const { protocols } = parts;
  const outbound = new GuardedAddresses(place.outbound, place.counters);
  const relays = new RelayServer({ ...place, ...parts, outbound }, relayOptions(settings));
  const resolver = new RelayResolver(
    { streams: place.streams, relays, protocols },
    { enabled: settings.pull_by_name_enabled },
  );
  const url = settings.rtmp_push_auto_start_url;
  const autoPush =
    settings.rtmp_push_auto_start && url !== ''
      ? new AutoPush({ ...place, relays }, { url, ...autoPushNames(settings) })
      : undefined;
  return {
    relays,
    resolver,
    start: () => autoPush?.start(),
    close: async () => {
      autoPush?.close();
      await relays.close();
    },
  };
}

/** The protocols that are spoken with other servers, by the settings. `webrtc`: options of the server's own WebRTC. */
export function relayProtocols(
  settings: Settings,
  place: ConstructorParameters<typeof WebRtcRelayProtocol>[0] & { readonly engine: Engine },
  webrtc: WebRtcOptions | undefined,
): RelayProtocol[] {
  const tlsVerify = settings.relay_tls_verify;
  return [
    new RtspRelayProtocol(place, rtspRelayOptions(settings)),
    new RtmpRelayProtocol(place, rtmpRelayOptions(settings)),
    new UdpRelayProtocol(place),
    new SrtRelayProtocol({ ...place, srt: place.engine.srt }, srtRelayOptions(settings)),
    ...(webrtc === undefined ? [] : [new WebRtcRelayProtocol(place, { ...webrtc, tlsVerify })]),
  ];
}

function relayOptions(settings: Settings): RelayOptions {
  return {
    maxRelays: settings.relay_max,
    connectTimeoutMs: settings.relay_connect_timeout,
    stallTimeoutMs: settings.relay_stall_timeout,
    retry: {
      enabled: true,
      maxAttempts: settings.relay_retry_attempts,
      minMs: settings.relay_retry_interval_min,
      maxMs: settings.relay_retry_interval_max,
    },
    rtmpPushRetry: {
      enabled: settings.rtmp_push_restore,
      maxAttempts: settings.rtmp_push_restore_attempts,
      minMs: settings.relay_retry_interval_min,
      maxMs: settings.rtmp_push_restore_interval_ms,
    },
    byNameIdleTimeoutMs: settings.pull_by_name_idle_timeout,
    recorded: settings.record_rtsp_streams ? ['rtsp'] : [],
    defaultScheme: settings.wcs_agent_ssl ? 'wss' : 'ws',
  };
}

/** @throws MediaServerError CONFIG_INVALID */
function rtspRelayOptions(settings: Settings): Partial<RtspRelayOptions> {
  const { rtsp_client_port_from: portFrom, rtsp_client_port_to: portTo } = settings;
  const channels = parseInterleavedChannels(settings.rtsp_interleaved_channels);
  if (channels === undefined)
    throw new MediaServerError('CONFIG_INVALID', 'rtsp_interleaved_channels is not of the form 2-3;0-1 (audio;video)');
  if (portTo <= portFrom)
    throw new MediaServerError('CONFIG_INVALID', `rtsp_client_port_to=${portTo} is not above ${portFrom}`);
  return {
    interleaved: settings.rtsp_interleaved_mode,
    channels,
    stripAudioCodecs: settings.rtsp_client_strip_audio_codecs.map((name) => name.toLowerCase()),
    portFrom,
    portTo,
    localAddress: settings.rtsp_client_address || undefined,
    keepAliveIntervalMs: settings.rtsp_client_keep_alive_interval,
    tlsVerify: settings.rtsp_client_tls_verify,
  };
}

function srtRelayOptions(settings: Settings): Partial<SrtRelayOptions> {
  return { latencyMs: settings.srt_latency, maxTimestampDiffS: settings.mpegts_max_timestamp_diff };
}

function rtmpRelayOptions(settings: Settings): Partial<RtmpRelayOptions> {
  return {
    fullUrl: settings.rtmp_transponder_full_url,
    streamNamePrefix: settings.rtmp_transponder_stream_name_prefix,
    sendMetadata: settings.rtmp_transponder_send_metadata,
    flashVersion: settings.rtmp_flash_ver_publisher,
    tlsVerify: settings.relay_tls_verify,
  };
}

function autoPushNames(settings: Settings) {
  return {
    streams: namePattern(settings.rtmp_push_auto_start_streams),
    namePrefix: settings.rtmp_transponder_stream_name_prefix,
  };
}

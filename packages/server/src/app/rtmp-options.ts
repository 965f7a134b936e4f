import { existsSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type { AudioCodec, VideoCodec } from '@sluice/media';
import { MediaServerError } from '../core/index.ts';
import type { TlsIdentity } from '../io/index.ts';
import {
  DEFAULT_RTMP_OPTIONS,
  type InBufferOptions,
  type MediaActivityOptions,
  type PublishMedia,
  type RtmpAddress,
  type RtmpOptions,
  type SupervisionOptions,
} from '../protocols/rtmp/index.ts';
import { parseActivity, parseAddress, type Settings } from './settings/index.ts';

const MAX_SDP_BYTES = 65_536;
/** A pattern that matches every name. */
const EVERY_NAME = /^/;

/**
 * Where RTMP and RTMPS are listened for; empty when both are off.
 * @throws MediaServerError CONFIG_INVALID when an address stands there twice
 */
export function rtmpAddresses(settings: Settings, host: string): readonly RtmpAddress[] {
  const addresses: RtmpAddress[] = [];
  if (settings['rtmp.port'] !== 0) addresses.push({ host, port: settings['rtmp.port'] });
  for (const text of settings.rtmp_listen) addresses.push({ ...addressOf(text) });
  if (settings['rtmps.port'] !== 0) addresses.push({ host, port: settings['rtmps.port'], secure: true });
  for (const text of settings.rtmps_listen) addresses.push({ ...addressOf(text), secure: true });
  const known = new Set<string>();
  for (const { host: listened, port } of addresses) {
    const text = `${listened} port ${port}`;
    if (known.has(text)) throw new MediaServerError('CONFIG_INVALID', `RTMP would listen on ${text} twice`);
    known.add(text);
  }
  return addresses;
}

/**
 * The RTMP server's options as the settings say.
 * @throws MediaServerError CONFIG_INVALID when `flash_handler_publish` can't be read as SDP
 */
export function rtmpOptions(
  settings: Settings,
  place: { readonly dataDir: string; readonly listen: readonly RtmpAddress[]; readonly tls: TlsIdentity | undefined },
): RtmpOptions {
  return {
    ...DEFAULT_RTMP_OPTIONS,
    listen: place.listen,
    tls: place.tls,
    chunkSize: settings.rtmp_chunk_size,
    maxMessageBytes: settings.rtmp_max_message_size,
    maxConnections: settings.rtmp_max_connections,
    playWaitMs: settings.rtmp_play_wait,
    viewerStallTimeoutMs: settings.rtmp_viewer_stall_timeout,
    viewerWriteBytes: settings.rtmp_viewer_buffer,
    flushIntervalMs: settings.rtmp_flush_interval,
    handshakeTimeoutMs: settings.rtmp_handshake_timeout,
    supervision: supervisionOptions(settings),
    activity: activityOptions(settings),
    publishMedia: publishMedia(settings, place.dataDir),
    inBuffer: settings.rtmp_in_buffer_enabled ? inBufferOptions(settings) : undefined,
    mergeConnectionParameters: settings.rtmp_use_stream_params_as_connection,
    sendVideoFirst: settings.rtmp_send_video_first,
    recordPublished: settings.record_flash_published_streams,
    playbackEnabled: settings.rtmp_playback_enabled,
    maxDecFrameBuffering: settings.h264_sps_max_dec_frame_buffering,
    reconnectGraceMs: settings.rtmp_reconnect_grace,
    reconnectUrl: settings.rtmp_reconnect_url,
  };
}

function addressOf(text: string): { host: string; port: number } {
  const address = parseAddress(text);
  if (address === undefined) throw new MediaServerError('CONFIG_INVALID', `"${text}" is no address with a port`);
  return address;
}

function supervisionOptions(settings: Settings): SupervisionOptions {
  const idle = settings['rtmp.use_server_socket_timeout'] ? settings['rtmp.server_socket_timeout'] : 0;
  return {
    keepAlive: settings['keep_alive.enabled'].includes('rtmp') && settings['keep_alive.algorithm'] !== 'NONE',
    keepAliveIntervalMs: settings['keep_alive.server_interval'],
    keepAliveProbes: settings['keep_alive.probes'],
    readTimeoutMs: settings['rtmp.server_read_socket_timeout'] * 1000,
    writeTimeoutMs: settings['rtmp.server_write_socket_timeout'] * 1000,
    idleTimeoutMs: idle * 1000,
  };
}

function activityOptions(settings: Settings): MediaActivityOptions {
  const activity = parseActivity(settings.rtp_activity_detecting);
  const on = settings.rtp_activity_rtmp && activity?.enabled === true;
  return {
    timeoutMs: on ? activity.seconds * 1000 : 0,
    audioExclude: settings.rtp_activity_audio ? namePattern(settings.rtp_activity_audio_exclude) : EVERY_NAME,
    videoExclude: settings.rtp_activity_video ? namePattern(settings.rtp_activity_video_exclude) : EVERY_NAME,
  };
}

/** The pattern of a setting that excludes stream names: it must match the whole name, as Java's `matches` does for WCS. */
export function namePattern(text: string): RegExp | undefined {
  return text === '' ? undefined : new RegExp(`^(?:${text})$`);
}

function inBufferOptions(settings: Settings): InBufferOptions {
  return {
    startSizeMs: settings.rtmp_in_buffer_start_size,
    maxSizeMs: settings.rtmp_in_buffer_initial_size,
    maxBufferings: settings.rtmp_in_buffer_max_bufferings_allowed,
    pollingTimeMs: settings.rtmp_in_buffer_polling_time,
    allowedDeviationMs: settings.rtmp_in_buffer_overflow_allowed_deviation,
    deviationWindowMs: settings.rtmp_in_buffer_overflow_deviation_window,
    overflowRate: settings.rtmp_in_buffer_overflow_rate,
    clearThresholdMs: settings.rtmp_in_buffer_clear_threshold,
    inputDelayThresholdMs: settings.rtmp_in_buffer_input_delay_threshold,
  };
}

/** What publishers may send: the codecs of the settings, less the kinds that WCS's SDP file has no section for. */
function publishMedia(settings: Settings, dataDir: string): PublishMedia {
  const sections = sdpSections(resolve(dataDir, settings.flash_handler_publish), settings.flash_handler_publish);
  const video = sections?.has('video') === false ? [] : settings.rtmp_publish_video_codecs;
  const audio = sections?.has('audio') === false ? [] : settings.rtmp_publish_audio_codecs;
  return { video: new Set(video as VideoCodec[]), audio: new Set(audio as AudioCodec[]) };
}

/** Media of the `m=` lines of an SDP file (RFC 8866 §5.14); undefined when there is no such file. */
function sdpSections(file: string, setting: string): ReadonlySet<string> | undefined {
  if (setting === '' || !existsSync(file)) return undefined;
  const text = readFileSync(file, 'utf8').slice(0, MAX_SDP_BYTES);
  const kinds = [...text.matchAll(/^m=(video|audio) /gm)].map((match) => match[1] ?? '');
  if (kinds.length > 0) return new Set(kinds);
  throw new MediaServerError('CONFIG_INVALID', `${file} has neither an m=video nor an m=audio line`);
}

import { join, resolve } from 'node:path';
import type { ConversionTarget } from '../core/index.ts';
import { parseFormats, parseRotation, type RecordingOptions, STREAM_NAME_TEMPLATE } from '../recording/index.ts';
import type { Settings } from './settings/index.ts';

/**
 * The recorder's options as the settings say.
 * @throws MediaServerError CONFIG_INVALID, RECORDING_CONFIG_INVALID
 */
export function recordingOptions(settings: Settings, dataDir: string): RecordingOptions {
  const recordDir = resolve(dataDir, settings.record_dir);
  const byName = settings.stream_record_policy === 'streamName';
  return {
    enabled: settings.record_streams,
    recordDir,
    writing: {
      tempDir:
        settings.record_tmp_dir === '' ? join(recordDir, '.recording') : resolve(dataDir, settings.record_tmp_dir),
      fragmentDurationMs: settings.record_fragment_duration,
      fragmentBytes: settings.record_fragment_bytes,
      sync: settings.record_sync,
      bufferBytes: settings.record_buffer_bytes,
      reservedBytes: settings.mp4_container_moov_first_reserve_space
        ? settings.mp4_container_moov_reserved_space_size * 1024
        : 0,
    },
    formats: parseFormats(settings.record_formats, settings.record_h264_to_ts),
    rotation: parseRotation(settings.record_rotation),
    numbered: settings.record_rotation_index_enabled,
    naming: {
      template: byName ? STREAM_NAME_TEMPLATE : settings.stream_record_policy_template,
      encoding: encodingOf(settings.encode_record_name),
      excludedCharacters: settings.exclude_record_name_characters,
    },
    audioBufferPackets: settings.record_audio_buffer_max_size,
    aac: {
      sampleRate: settings.record_audio_codec_sample_rate,
      channels: settings.record_audio_codec_channels as 1 | 2,
      variableBitrate: settings.record_fdk_aac_bitrate_mode as NonNullable<ConversionTarget['variableBitrate']>,
    },
    stopTimeoutMs: settings.record_stop_timeout * 1000,
    maxErrors: settings.file_recorder_max_errors_per_interval,
    errorIntervalMs: settings.file_recorder_error_interval * 60_000,
    retryIntervalMs: settings.record_retry_interval * 1000,
    maxActive: settings.record_max_active,
  };
}

function encodingOf(value: Settings['encode_record_name']): RecordingOptions['naming']['encoding'] {
  if (value === 'false') return 'none';
  return value.toLowerCase() === 'base64' ? 'base64' : 'hex';
}

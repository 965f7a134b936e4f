import { join, resolve } from 'node:path';
import { type ConversionTarget, MediaServerError } from '../core/index.ts';
import {
  Completion,
  Finisher,
  HookScripts,
  Ledger,
  namesSomething,
  parseFormats,
  parseRotation,
  type RecordingDeps,
  type RecordingOptions,
  RecordingServer,
  Recovery,
  STREAM_NAME_TEMPLATE,
  type StoredRecording,
} from '../recording/index.ts';
import type { Settings } from './settings/index.ts';

/** All that records. */
export interface Recording {
  readonly recorder: RecordingServer;
  readonly ledger: Ledger;
  readonly finisher: Finisher;
  readonly completion: Completion;
  readonly scripts: HookScripts;
  /** Absolute folder of recordings. */
  readonly recordDir: string;
  /** Absolute folder of files that are being written. */
  readonly tempDir: string;
  /** Records what is wanted from now on, and finishes what an earlier run of the server left. */
  start(): void;
  /** Stops all recordings and waits for their files, as long as the settings allow. */
  close(): Promise<void>;
}

/**
 * Makes the recorder with what it needs.
 * @throws MediaServerError CONFIG_INVALID, RECORDING_CONFIG_INVALID
 */
export async function makeRecording(
  settings: Settings,
  dataDir: string,
  hub: Pick<RecordingDeps, 'streams' | 'adaptations' | 'log' | 'counters'>,
): Promise<Recording> {
  const { log, counters } = hub;
  const options = recordingOptions(settings, dataDir);
  const { recordDir, writing } = options;
  const ledger = await Ledger.open(dataDir, { log, maxEntries: settings.record_ledger_max_entries });
  const finisher = new Finisher({ maxThreads: settings.file_recorder_thread_pool_max_size }, { log });
  const scripts = new HookScripts(
    {
      script: settings.on_record_hook_script,
      multipleScript: settings.on_multiple_record_hook_script,
      timeoutMs: settings.record_hook_timeout,
    },
    { log, counters, onRun: (id) => ledger.update(id, { scriptDue: undefined }) },
  );
  const indexFirst = settings.mp4_container_moov_first && writing.reservedBytes === 0;
  const completion = new Completion({
    options: { recordDir, indexFirst, existingFile: settings.record_existing_file },
    ledger,
    finisher,
    scripts,
    log,
    counters,
  });
  const recovery = new Recovery({ recordDir, tempDir: writing.tempDir, ledger, completion, log, counters });
  const recorder = new RecordingServer({ ...hub, ledger, completion }, options);
  let recovered: Promise<void> | undefined;
  return {
    recorder,
    ledger,
    finisher,
    completion,
    scripts,
    recordDir,
    tempDir: writing.tempDir,
    start: () => {
      scripts.start();
      // Those that the end of the last run cut short, or kept from running.
      for (const recording of [...ledger.all()]) if (isScriptDue(recording)) scripts.recorded(recording);
      recorder.open();
      recovered = recovery.run();
    },
    close: async () => {
      recovery.close();
      await recorder.close();
      await finisher.close();
      await completion.close();
      await recovered;
      await scripts.close();
      await ledger.close();
    },
  };
}

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
    rotation: rotationOf(settings.record_rotation),
    numbered: settings.record_rotation_index_enabled,
    naming: {
      template: byName ? STREAM_NAME_TEMPLATE : templateOf(settings.stream_record_policy_template),
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

function isScriptDue({ scriptDue, entry }: StoredRecording): boolean {
  return scriptDue === true && entry.localDeleted !== true;
}

function rotationOf(text: string): RecordingOptions['rotation'] {
  try {
    return parseRotation(text);
  } catch (error) {
    throw new MediaServerError('CONFIG_INVALID', `record_rotation: ${(error as Error).message}`);
  }
}

function templateOf(text: string): string {
  if (namesSomething(text)) return text;
  throw new MediaServerError('CONFIG_INVALID', `stream_record_policy_template: "${text.slice(0, 40)}" names no file`);
}

function encodingOf(value: Settings['encode_record_name']): RecordingOptions['naming']['encoding'] {
  if (value === 'false') return 'none';
  return value.toLowerCase() === 'base64' ? 'base64' : 'hex';
}

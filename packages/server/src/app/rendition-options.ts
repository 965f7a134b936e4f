import { resolve } from 'node:path';
import type { Adaptations, Converter, Log } from '../core/index.ts';
import { loadProfiles, StreamRenditions } from '../renditions/index.ts';
import type { Settings } from './settings/index.ts';

/** What qualities are made with. */
export interface RenditionParts {
  readonly dataDir: string;
  readonly adaptations: Adaptations;
  /** Undefined where nothing is converted. */
  readonly converter: Converter | undefined;
  machineIsBusy(): boolean;
  readonly log: Log;
}

/**
 * The qualities that streams can be had in, by the files of profiles.
 * @throws MediaServerError CONFIG_INVALID for a file that can't be used
 */
export async function makeRenditions(settings: Settings, parts: RenditionParts): Promise<StreamRenditions> {
  const { dataDir, log } = parts;
  const load = async (file: string, use: 'hls' | 'webrtc') => {
    const path = resolve(dataDir, file);
    const { profiles, warnings } = await loadProfiles(path, use);
    for (const warning of warnings) log.warn({ file: path }, warning);
    return profiles;
  };
  return new StreamRenditions(parts, {
    hls: await load(settings.hls_abr_profiles, 'hls'),
    webrtc: await load(settings.wcs_sfu_bridge_profiles, 'webrtc'),
    hlsEnabled: settings.hls_abr_enabled,
    webrtcEnabled: settings.wcs_sfu_bridge_enabled,
    thinEnabled: settings.webrtc_thin_renditions,
    gopFrames: settings.video_encoder_h264_gop,
    preserveAspectRatio: settings.video_transcoder_preserve_aspect_ratio,
    bFramesForceTranscoding: settings.h264_b_frames_force_transcoding,
  });
}

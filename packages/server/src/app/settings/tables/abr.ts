import type { SettingEntry } from '../setting-entry.ts';

/** Settings of qualities of a stream that the server makes itself: adaptive bitrate, and sizes that players ask for. */
export const ABR_SETTINGS = {
  hls_abr_enabled: {
    type: 'boolean',
    default: true,
    from: 'wcs',
    doc: 'Streams can be played in several qualities by HLS, at `/<stream>-HLS-ABR-STREAM/<stream>-HLS-ABR-STREAM.m3u8`. It costs nothing before somebody asks for one.',
  },
  hls_abr_profiles: {
    type: 'string',
    format: 'path',
    default: 'hls_abr_profiles.yml',
    from: 'own',
    doc: 'File of the qualities of HLS, below the data folder unless it begins with `/`. When it is not there: 720, 480, 240 lines and the original.',
  },
  hls_abr_auto_start: {
    type: 'boolean',
    default: false,
    from: 'wcs',
    doc: 'Make all qualities of every published stream at once, not only when somebody asks for one.',
  },
  h264_b_frames_force_transcoding: {
    type: 'boolean',
    default: false,
    from: 'wcs',
    doc: 'The best quality is made too when the source has B-frames, instead of passing through.',
  },
  wcs_sfu_bridge_enabled: {
    type: 'boolean',
    default: false,
    from: 'wcs',
    doc: 'WebRTC viewers whose connection is too slow for a stream get a lower quality that the server makes.',
  },
  wcs_sfu_bridge_profiles: {
    type: 'string',
    format: 'path',
    default: 'wcs_sfu_bridge_profiles.yml',
    from: 'own',
    doc: 'File of the qualities of WebRTC, below the data folder unless it begins with `/`. When it is not there: 480 and 240 lines and the original.',
  },
  transcoder_max_cores: {
    type: 'number',
    unit: 'cores',
    min: 0,
    max: 1024,
    default: 0,
    from: 'own',
    doc: 'Processor cores that may convert pictures; what would need more is refused. 0: all of the machine but half a core.',
  },
  encoder_priority: {
    type: 'list',
    default: ['FF'],
    values: ['FF', 'OPENH264', 'NVENC', 'VAAPI', 'QSV', 'V4L2M2M', 'AMF', 'VIDEOTOOLBOX'],
    from: 'wcs',
    doc: 'Encoders of H.264 in the order in which they are tried: `FF` is x264, the others are hardware, but for `OPENH264`, which is done by x264 too. One that can not be opened here is passed over.',
  },
  video_encoder_h264_gop: {
    type: 'integer',
    unit: 'frames',
    min: 1,
    max: 3000,
    default: 60,
    from: 'wcs',
    doc: 'Pictures between key frames of a quality whose profile does not say it.',
  },
  video_transcoder_preserve_aspect_ratio: {
    type: 'boolean',
    default: true,
    from: 'wcs',
    doc: 'Pictures keep their shape inside the width and height that a player or profile asks for.',
  },
} as const satisfies Record<string, SettingEntry>;

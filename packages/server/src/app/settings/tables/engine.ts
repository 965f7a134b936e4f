import type { SettingEntry } from '../setting-entry.ts';

/** Settings of the conversion of codecs for viewers that can't take a stream as it is. */
export const ENGINE_SETTINGS = {
  transcoding_disabled: {
    type: 'boolean',
    default: false,
    from: 'wcs',
    doc: 'Streams are not converted for viewers that can not take their codecs: those are refused, or get the tracks that they can take. Pictures of streams can be taken all the same.',
  },
  'opus.encoder.bitrate': {
    type: 'integer',
    unit: 'bit/s',
    min: 6000,
    max: 510_000,
    default: 60_000,
    from: 'wcs',
    doc: 'Bitrate of Opus that the server encodes.',
  },
  aac_encoder_bitrate: {
    type: 'integer',
    unit: 'bit/s',
    min: 16_000,
    max: 512_000,
    default: 128_000,
    from: 'own',
    doc: 'Bitrate of AAC that the server encodes, for two channels.',
  },
  video_transcoder_preset: {
    type: 'enum',
    values: ['ultrafast', 'superfast', 'veryfast'],
    default: 'veryfast',
    from: 'own',
    doc: 'Speed against quality of H.264 that the server encodes. `ultrafast` takes about half the processor time.',
  },
  video_transcoder_key_frame_interval: {
    type: 'integer',
    unit: 's',
    min: 1,
    max: 60,
    default: 2,
    from: 'own',
    doc: 'Time between key frames of H.264 that the server encodes, unless a player asks for one.',
  },
  video_transcoder_bitrate_factor: {
    type: 'number',
    min: 0.1,
    max: 10,
    default: 1,
    from: 'own',
    doc: 'Bitrate of H.264 that the server encodes follows from the size of the picture; this makes it more or less.',
  },
  transcoder_idle_time: {
    type: 'integer',
    unit: 's',
    min: 1,
    max: 3600,
    default: 60,
    from: 'own',
    doc: 'A process that converts nothing for this long is ended.',
  },
} as const satisfies Record<string, SettingEntry>;

import type { SettingEntry } from '../setting-entry.ts';

/** Settings of the conversion of codecs for viewers that can't take a stream as it is. */
export const ENGINE_SETTINGS = {
  transcoding_disabled: {
    type: 'boolean',
    default: false,
    from: 'wcs',
    doc: 'Streams are not converted for viewers that can not take their codecs: those are refused, or get the tracks that they can take.',
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
} as const satisfies Record<string, SettingEntry>;

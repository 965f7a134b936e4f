import type { SettingEntry } from '../setting-entry.ts';
import { MINUTES_MS } from './units.ts';

const MAX_BITRATE = 1_000_000_000;

/** How WebRTC media is fitted to the way to each viewer. */
export const RTC_MEDIA_SETTINGS = {
  webrtc_simulcast: {
    type: 'boolean',
    default: true,
    from: 'own',
    doc: 'Publishers may send their picture in several sizes at once (simulcast): each viewer gets the one that fits.',
  },
  webrtc_simulcast_pause: {
    type: 'boolean',
    default: true,
    from: 'own',
    doc: 'Publishers are kept from sending sizes that nobody watches. Browsers send such a size again within seconds, longer where their line had trouble meanwhile.',
  },
  webrtc_simulcast_pause_after: {
    type: 'integer',
    unit: 'ms',
    min: 1000,
    max: 60 * MINUTES_MS,
    default: 30_000,
    from: 'own',
    doc: 'So long a size must not have been watched before.',
  },
  webrtc_players_twcc: {
    type: 'boolean',
    default: true,
    from: 'own',
    doc: 'What the way to a WebRTC player carries is estimated from when its packets arrive (transport-wide congestion control). `false`: from its losses and REMB alone.',
  },
  webrtc_pacing: {
    type: 'boolean',
    default: true,
    from: 'own',
    doc: 'Large pictures go to players whose way is estimated over some milliseconds, not in one burst.',
  },
  av_paced_sender: {
    type: 'boolean',
    default: false,
    from: 'wcs',
    doc: 'Packets to players are held until their time on the clock of the stream has come, so that picture and sound leave together however they arrived.',
  },
  av_paced_sender_max_buffer_size: {
    type: 'integer',
    unit: 'frames',
    min: 1,
    max: 100_000,
    default: 5000,
    from: 'wcs',
    doc: 'Frames of one stream that are held for that at most.',
  },
  webrtc_start_bitrate: {
    type: 'integer',
    unit: 'bit/s',
    min: 30_000,
    max: MAX_BITRATE,
    default: 1_000_000,
    from: 'own',
    doc: 'What the way to a player is believed to carry before it is known, for the choice among the sizes of a publisher.',
  },
  webrtc_thinning: {
    type: 'boolean',
    default: true,
    from: 'own',
    doc: 'A player whose way is too thin for the least quality there is gets fewer pictures, at last key frames alone, and all of the sound. `false`: everything, however late.',
  },
  webrtc_thin_renditions: {
    type: 'boolean',
    default: true,
    from: 'own',
    doc: 'Players whose way would carry key frames alone get a smaller picture in place of that, where the machine has room to make one (three quarters of `transcoder_max_cores`): H.264 of a half or a third of the lines, two for a stream at most, shared by all who need them and only for as long as somebody does. Not with `webrtc_thinning=false`, and not where `wcs_sfu_bridge_enabled` gives qualities.',
  },
  webrtc_red: {
    type: 'boolean',
    default: true,
    from: 'own',
    doc: 'Opus with redundancy (RED, RFC 2198): publishers that can send it are asked to, players that lose packets are sent it.',
  },
} as const satisfies Record<string, SettingEntry>;

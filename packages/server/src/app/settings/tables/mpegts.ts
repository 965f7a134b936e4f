import type { SettingEntry } from '../setting-entry.ts';

/** Settings of MPEG transport streams over UDP, RTP and SRT. */
export const MPEGTS_SETTINGS = {
  mpegts_port_from: {
    type: 'port',
    default: 31010,
    from: 'own',
    doc: 'First UDP port that `/mpegts/startup` gives out.',
  },
  mpegts_port_to: {
    type: 'port',
    default: 31999,
    from: 'own',
    doc: 'Last UDP port that `/mpegts/startup` gives out.',
  },
  mpegts_timeout: {
    type: 'integer',
    unit: 'ms',
    min: 1000,
    max: 86400000,
    default: 90000,
    from: 'own',
    doc: 'A transport stream ends when nothing has come for this long, where the call does not say.',
  },
  mpegts_max_timestamp_diff: {
    type: 'number',
    unit: 's',
    min: 0.1,
    max: 3600,
    default: 1,
    from: 'own',
    doc: 'Times of a transport stream that jump by more than this begin anew, where the call does not say.',
  },
  'srt.port': {
    type: 'port',
    default: 8890,
    from: 'own',
    doc: 'UDP port of SRT for all streams: `srt://host:8890?streamid=publish:NAME` and `read:NAME`. 0 turns it off.',
  },
  srt_passphrase: {
    type: 'string',
    default: '',
    from: 'own',
    secret: true,
    doc: 'Passphrase that callers of `srt.port` need, 10 to 79 characters. Empty: none.',
  },
  srt_latency: {
    type: 'integer',
    unit: 'ms',
    min: 0,
    max: 30000,
    default: 120,
    from: 'own',
    doc: 'Time that SRT has to send lost packets again; the greater of both sides counts.',
  },
  srt_max_connections: {
    type: 'integer',
    min: 1,
    max: 10000,
    default: 500,
    from: 'own',
    doc: 'SRT connections at once, of all kinds.',
  },
} as const satisfies Record<string, SettingEntry>;

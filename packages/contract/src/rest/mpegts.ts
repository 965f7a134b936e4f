import Type, { type Static } from 'typebox';
import { flag, name, text, texts } from './fields.ts';

/** Body of `/mpegts/startup` (rest-api.md §18). */
export const MpegTsStartup = Type.Object({
  localStreamName: name('name of the stream'),
  transport: Type.Enum(['srt', 'udp'], { description: '`srt`, or `udp` for plain UDP and RTP' }),
  hasAudio: Type.Optional(flag('false: sound is left out')),
  hasVideo: Type.Optional(flag('false: picture is left out')),
  timeout: Type.Optional(
    Type.Integer({ minimum: 1000, maximum: 86_400_000, description: 'ms without data after which it ends' }),
  ),
  maxTimestampDiff: Type.Optional(
    Type.Number({ minimum: 0, maximum: 3600, description: 'seconds by which times may jump before they begin anew' }),
  ),
  allowedList: Type.Optional(texts('addresses and networks (CIDR) that may send; all by default')),
  record: Type.Optional(flag('record it')),
  port: Type.Optional(
    Type.Integer({ minimum: 1, maximum: 65_535, description: 'a free one of `mpegts_port_from` to `_to` by default' }),
  ),
  group: Type.Optional(text('UDP: address of a multicast group to join')),
  passphrase: Type.Optional(text('SRT: passphrase, 10 to 79 characters')),
  latency: Type.Optional(
    Type.Integer({ minimum: 0, maximum: 30_000, description: 'SRT: ms; `srt_latency` by default' }),
  ),
});

/** Body of `/mpegts/find` and `/mpegts/terminate`. */
export const MpegTsFilter = Type.Object({
  localStreamName: Type.Optional(text('name of the stream')),
  uri: Type.Optional(text('where to send')),
});

/** A port that takes an MPEG transport stream (rest-api.md §18). */
export const MpegTsObject = Type.Object({
  localMediaSessionId: Type.String(),
  localStreamName: Type.String(),
  uri: Type.String({ description: 'where to send: `srt://HOST:PORT` or `udp://HOST:PORT`' }),
  status: Type.Enum(['CONNECTED', 'PROCESSED_LOCAL'], { description: '`PROCESSED_LOCAL` once media comes' }),
  hasAudio: Type.Boolean(),
  hasVideo: Type.Boolean(),
  record: Type.Boolean(),
  transport: Type.Enum(['SRT', 'UDP']),
  cdn: Type.Boolean(),
  timeout: Type.Integer({ description: 'ms' }),
  maxTimestampDiff: Type.Number({ description: 'seconds' }),
  allowedList: Type.Array(Type.String()),
  notes: Type.Array(Type.String(), { description: 'what people should know: tracks that are left out, and why' }),
});

export type MpegTsObject = Static<typeof MpegTsObject>;

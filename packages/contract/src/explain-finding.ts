import Type, { type Static } from 'typebox';
import { StreamHintCode } from './stream-hint.ts';

/** What can be found out about why there is, or isn't, picture and sound; hints to the publisher are findings too. */
export const ExplainFindingCode = Type.Union([
  /** Nothing is wrong that the server can see. */
  Type.Literal('ALL_WELL'),
  /** Nobody publishes the stream. */
  Type.Literal('NOT_LIVE'),
  /** The publisher has gone; viewers are kept for the case that it comes back. */
  Type.Literal('WAITS_FOR_PUBLISHER'),
  /** The publisher is there and sends neither picture nor sound, or has ceased to. */
  Type.Literal('NO_MEDIA_FROM_PUBLISHER'),
  /** The publisher has muted its picture or sound. */
  Type.Literal('MUTED'),
  /** Packets of the publisher are lost on the way here. */
  Type.Literal('PUBLISHER_LOSS'),
  /** WebRTC: none of the client's connectivity checks has reached the server. */
  Type.Literal('NO_ICE'),
  /** WebRTC: checks came and were not accepted. */
  Type.Literal('ICE_REFUSED'),
  /** WebRTC: the connection was there and was lost. */
  Type.Literal('ICE_LOST'),
  /** WebRTC: the client is reached, but the encryption is not agreed on yet, or could not be. */
  Type.Literal('NO_DTLS'),
  /** WebRTC: packets come that can not be decrypted. */
  Type.Literal('SRTP_ERRORS'),
  /** The client offers no codec that can be used. */
  Type.Literal('NO_COMMON_CODECS'),
  /** It would work if the settings allowed conversions. */
  Type.Literal('TRANSCODING_DISABLED'),
  /** The viewer is connected and waits for a picture that it can begin with. */
  Type.Literal('WAITS_FOR_KEY_FRAME'),
  /** HLS: the first segment is not finished, or nothing of the stream can be packaged. */
  Type.Literal('HLS_NOT_READY'),
  /** Picture or sound is converted for these viewers. */
  Type.Literal('CODEC_CONVERTED'),
  /** A conversion does not keep up, or leaves out what is damaged. */
  Type.Literal('CONVERSION_SLOW'),
  /** These viewers get no picture, or no sound, that the stream has. */
  Type.Literal('VIDEO_LEFT_OUT'),
  Type.Literal('AUDIO_LEFT_OUT'),
  /** The viewer reads more slowly than the stream goes. */
  Type.Literal('SLOW_VIEWER'),
  /** The viewer has paused. */
  Type.Literal('PAUSED'),
  /** Packets to the viewer are lost on the way. */
  Type.Literal('LOSS'),
  /** The way to the client and back takes long. */
  Type.Literal('LONG_ROUND_TRIP'),
  /** The session failed, or was refused. */
  Type.Literal('FAILED'),
  /** The session is over, in good order. */
  Type.Literal('ENDED'),
  StreamHintCode,
]);

export type ExplainFindingCode = Static<typeof ExplainFindingCode>;

/** One thing that was found out, in plain English. */
export const ExplainFinding = Type.Object({
  code: ExplainFindingCode,
  /** `error`: somebody sees or hears nothing. `warning`: it goes badly. `info`: good to know. */
  severity: Type.Union([Type.Literal('error'), Type.Literal('warning'), Type.Literal('info')]),
  /** What is so. */
  text: Type.String(),
  /** What to do about it; empty when there is nothing to do. */
  advice: Type.String(),
  /** What it is about, when it is about one of them. */
  kind: Type.Optional(Type.Union([Type.Literal('video'), Type.Literal('audio')])),
  /** Sessions that it is about, ten at most; none for a finding about the stream. */
  mediaSessionIds: Type.Array(Type.String()),
  /** How many sessions it is about. */
  sessions: Type.Integer(),
});

export type ExplainFinding = Static<typeof ExplainFinding>;

export { type AacDepacketizerOptions, aacDepacketizer, aacPacketizer } from './aac.ts';
export { AAC_HBR, type AacAuHeaderFormat, type AacPayloadFormat } from './aac-format.ts';
export {
  opusDepacketizer,
  opusHead,
  opusPacketizer,
  rawAudioDepacketizer,
  rawAudioPacketizer,
  rtpClockRate,
  speexPacketizer,
} from './audio.ts';
export { av1Depacketizer, av1Packetizer } from './av1.ts';
export { isRtpCodec, type RtpCodec, type RtpFormatOptions, rtpDepacketizer, rtpPacketizer } from './for-codec.ts';
export type { DepacketizedFrame, RtpDepacketizer, RtpMediaPacket, RtpPacketizer, RtpPayload } from './format.ts';
export { h264Depacketizer, h264Packetizer } from './h264.ts';
export { h265Depacketizer, h265Packetizer } from './h265.ts';
export { jpegDepacketizer } from './jpeg.ts';
export { jpegPacketizer } from './jpeg-packetizer.ts';
export { type LatmDepacketizerOptions, latmDepacketizer } from './latm.ts';
export { isRtpStartPoint } from './start-point.ts';
export { rtpTemporalMark, type TemporalMark } from './temporal-mark.ts';
export { vp8Depacketizer, vp8Packetizer } from './vp8.ts';
export { vp9Depacketizer, vp9Packetizer } from './vp9.ts';

export {
  opusDepacketizer,
  opusHead,
  opusPacketizer,
  rawAudioDepacketizer,
  rawAudioPacketizer,
  rtpClockRate,
} from './audio.ts';
export type { DepacketizedFrame, RtpDepacketizer, RtpMediaPacket, RtpPacketizer, RtpPayload } from './format.ts';
export { h264Depacketizer, h264Packetizer } from './h264.ts';
export { isRtpStartPoint } from './start-point.ts';
export { vp8Depacketizer, vp8Packetizer } from './vp8.ts';

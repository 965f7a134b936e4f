export type { DepacketizedFrame, RtpDepacketizer, RtpMediaPacket, RtpPacketizer, RtpPayload } from './format.ts';
export { h264Depacketizer, h264Packetizer } from './h264.ts';
export { isRtpStartPoint } from './start-point.ts';

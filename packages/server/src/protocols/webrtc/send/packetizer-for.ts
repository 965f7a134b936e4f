import {
  h264Packetizer,
  opusPacketizer,
  type RtpPacketizer,
  rawAudioPacketizer,
  type Track,
  vp8Packetizer,
} from '@sluice/media';

/** How a codec is put into RTP; undefined for codecs that WebRTC does not have. */
export function packetizerFor(codec: Track['codec'], packetizationMode: 0 | 1): RtpPacketizer | undefined {
  switch (codec) {
    case 'h264':
      return h264Packetizer(packetizationMode);
    case 'vp8':
      return vp8Packetizer();
    case 'opus':
      return opusPacketizer();
    case 'pcma':
    case 'pcmu':
    case 'g722':
      return rawAudioPacketizer();
    default:
      return undefined;
  }
}

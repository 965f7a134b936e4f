import type { DescribedTrack } from '@sluice/media';
import type { NegotiatedTrack } from '../../../rtp/index.ts';

/** RTSP has neither feedback nor header extensions. */
const NO_FEEDBACK = { nack: false, pli: false, fir: false, transportCc: false, remb: false };

/** A track of a description, as receiving wants it. */
export function negotiatedTrack(described: DescribedTrack): NegotiatedTrack {
  const { kind, codec, payloadType, clockRate, packetizationMode, parameters, channels, aac } = described;
  return {
    kind,
    codec,
    payloadType,
    clockRate,
    packetizationMode,
    parameters,
    channels,
    aac,
    startCodes: true,
    feedback: NO_FEEDBACK,
    extensions: {},
  };
}

import { sameParameters } from '@sluice/media';
/** True for a track that HLS players take (H.264 and AAC) and whose decoder configuration is known. */
export function isCarriable(track) {
  return track !== undefined && (track.codec === 'h264' || track.codec === 'aac') && track.parameters.length > 0;
}
/** True when both need the same decoder configuration, also when a source has declared it anew. */
export function isSameTrack(a, b) {
  if (a === b) return true;
  if (a === undefined || b === undefined) return false;
  return (
    a.id === b.id && a.codec === b.codec && a.clockRate === b.clockRate && sameParameters(a.parameters, b.parameters)
  );
}
const AAC_FRAME_SAMPLES = 1024;
const SINGLE_PICTURE_US = 33_333;
/**
 * Gives each packet of one track the time until its successor. `next` is the packet after the last one when it is
 * known; else the last duration is the mean of the others.
 */
export function withDurations(packets, next) {
  const samples = new Array(packets.length);
  for (let i = 0; i < packets.length; i++) {
    const packet = packets[i];
    const after = packets[i + 1] ?? next;
    const durationUs = after === undefined ? meanDurationUs(packets) : Math.max(0, after.dtsUs - packet.dtsUs);
    samples[i] = { packet, durationUs };
  }
  return samples;
}
function meanDurationUs(packets) {
  const first = packets[0];
  const last = packets[packets.length - 1];
  if (first === undefined || last === undefined) return 0;
  if (packets.length > 1 && last.dtsUs > first.dtsUs) {
    return Math.round((last.dtsUs - first.dtsUs) / (packets.length - 1));
  }
  const { track } = last;
  return track.kind === 'video' ? SINGLE_PICTURE_US : Math.round((AAC_FRAME_SAMPLES * 1e6) / track.clockRate);
}
//# sourceMappingURL=cut.js.map

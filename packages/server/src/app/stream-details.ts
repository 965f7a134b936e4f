import { audioFormat, codecString, pictureSize, videoSize } from '@sluice/media';
import type { StreamDetails } from '../control/index.ts';
import type { Stream } from '../core/index.ts';

/** Reads what only a bitstream parser can tell; what can't be parsed is left out. */
export function describeStream(stream: Stream): StreamDetails {
  const { video, audio } = stream.state;
  const size = video && (videoSize(video) ?? sizeOfNewestKeyFrame(stream));
  const format = audio && audioFormat(audio);
  return {
    video: size && { width: size.width, height: size.height, codecString: video && codecString(video) },
    audio: format && { ...format, codecString: audio && codecString(audio) },
  };
}

/** For codecs that say the size in their key frames only. */
function sizeOfNewestKeyFrame({ log }: Stream): { width: number; height: number } | undefined {
  const packet = log.at(log.lastStartPoint)?.packet;
  return packet && pictureSize(packet);
}

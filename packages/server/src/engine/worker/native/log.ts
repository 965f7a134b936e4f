import { AV_LOG_QUIET } from 'node-av/constants';
import { Log } from 'node-av/lib';

/** FFmpeg writes a line for each damaged packet; the counters tell the same. */
export function silenceNativeLog(): void {
  Log.setLevel(AV_LOG_QUIET);
}

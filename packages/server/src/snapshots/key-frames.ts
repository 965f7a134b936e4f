import type { MediaPacket } from '@sluice/media';
import { KeyFrameRetry, type Stream } from '../core/index.ts';

/** More than this is not decoded for one picture; it is then that of an earlier moment. */
const MAX_PACKETS = 2000;
const MAX_BYTES = 32 * 1024 * 1024;
/** Sound that has come for this long without a picture: there will be none. */
const SOUND_ALONE_US = 3_000_000;

/** Number in the stream's log of the newest key frame of pictures that is kept; -1 for none. */
export function newestKeyFrame({ log }: Stream): number {
  const at = log.lastStartPoint;
  return log.at(at)?.packet.track.kind === 'video' ? at : -1;
}

/** How much older than the newest packet the entry of that number is, microseconds on the stream's timeline. */
export function ageUs({ log, lastDtsUs }: Stream, at: number): number {
  return lastDtsUs - (log.dtsUsAt(at) ?? lastDtsUs);
}

/** Key frames alone are not to be older than this where the source can be asked for others. */
const STALE_KEY_US = 10_000_000;

/** Asks the source for a key frame, where it can be asked and its newest one is old; for those who come later. */
export function renewKeyFrame(stream: Stream): void {
  if (stream.canRequestKeyFrame && ageUs(stream, newestKeyFrame(stream)) > STALE_KEY_US) stream.requestKeyFrame();
}

/** The packets of pictures from that number of the log on: of the key frame alone, or all, as many as are bearable. */
export function picturesFrom({ log }: Stream, keyAt: number, which: 'newest' | 'key'): MediaPacket[] {
  const packets: MediaPacket[] = [];
  let bytes = 0;
  const end = which === 'key' ? keyAt + 1 : log.end;
  for (let at = keyAt; at < end && packets.length < MAX_PACKETS; at++) {
    const packet = log.at(at)?.packet;
    if (packet?.track.kind !== 'video') continue;
    bytes += packet.byteLength;
    if (bytes > MAX_BYTES && packets.length > 0) break;
    packets.push(packet);
  }
  return packets;
}

/** True for a stream of sound alone: it declares no picture, and has had the time for it. */
export function isSoundAlone({ state, log, lastDtsUs }: Stream): boolean {
  const firstUs = log.dtsUsAt(log.start) ?? lastDtsUs;
  return state.video === undefined && state.audio !== undefined && lastDtsUs - firstUs >= SOUND_ALONE_US;
}

/** How the waiting for a key frame ended. */
export type KeyFrameWait = 'came' | 'sound alone' | 'ended' | 'too late' | 'aborted';

/** Waits for the next key frame of pictures, and asks the source for it where that is possible. */
export function nextKeyFrame(
  stream: Stream,
  { timeoutMs, signal }: { readonly timeoutMs: number; readonly signal: AbortSignal },
): Promise<KeyFrameWait> {
  if (signal.aborted) return Promise.resolve('aborted');
  return new Promise((resolve) => {
    const retry = new KeyFrameRetry();
    const finish = (outcome: KeyFrameWait): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', abort);
      reader.close();
      resolve(outcome);
    };
    const abort = (): void => finish('aborted');
    const look = (): void => {
      retry.ask(stream);
      for (let entry = reader.read(); entry !== undefined; entry = reader.read()) {
        if (entry.packet.track.kind === 'video' && entry.packet.key) return finish('came');
      }
      if (isSoundAlone(stream)) finish('sound alone');
    };
    const timer = setTimeout(() => finish('too late'), timeoutMs);
    signal.addEventListener('abort', abort);
    const reader = stream.attach({ startAt: stream.log.end, onReadable: look, onEnd: () => finish('ended') });
    retry.ask(stream);
  });
}

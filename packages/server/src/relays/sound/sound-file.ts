import { MediaServerError, type Stream, type StreamResolver } from '../../core/index.ts';

/** A file that plays for one listener. */
export interface PlayingFile extends Disposable {
  readonly stream: Stream;
}

/**
 * Opens a file of the folder of media files to be heard; it begins with `stream.viewerReady`.
 * @throws MediaServerError FILE_NOT_FOUND, FILE_UNREADABLE, FILE_INVALID when it can not be read or has no sound
 */
export async function openSoundFile(
  resolvers: readonly StreamResolver[],
  { file, loop }: { readonly file: string; readonly loop: boolean },
): Promise<PlayingFile> {
  const name = `vod://${file}`;
  const resolver = resolvers.find((one) => one.accepts(name));
  const hold = new AbortController();
  const stream = await resolver?.resolve(name, { loop, signal: hold.signal });
  if (stream === undefined) throw new MediaServerError('FILE_NOT_FOUND', `there is no file "${file.slice(0, 256)}"`);
  if (stream.state.audio === undefined) {
    hold.abort();
    throw new MediaServerError('FILE_INVALID', `${file.slice(0, 256)} has no sound`);
  }
  return { stream, [Symbol.dispose]: () => hold.abort() };
}

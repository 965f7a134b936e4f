import type { MediaPacket } from '@sluice/media';
import { MediaServerError } from '../errors.ts';
import type { ResolveRequest, StreamResolver } from '../ports.ts';
import { Stream } from '../stream.ts';

/** A resolver in the likeness of `vod://`: a stream for each viewer, which sends `packets` when the viewer is ready. */
export class PersonalStreams implements StreamResolver {
  /** What was asked for, in order. */
  readonly requests: ResolveRequest[] = [];
  readonly streams: Stream[] = [];
  readonly #packets: readonly MediaPacket[];

  constructor(packets: readonly MediaPacket[]) {
    this.#packets = packets;
  }

  accepts(name: string): boolean {
    return name.startsWith('vod://');
  }

  personal(): boolean {
    return true;
  }

  async resolve(name: string, request: ResolveRequest = {}): Promise<Stream> {
    this.requests.push(request);
    if (name === 'vod://none.mp4') throw new MediaServerError('FILE_NOT_FOUND', 'there is no file "none.mp4"');
    if (name === 'vod://bad.mp4') throw new MediaServerError('FILE_INVALID', 'bad.mp4 is no MP4 file');
    const stream = new Stream(name);
    stream.attachPublisher({
      sessionId: 'vod/1',
      tracksComplete: true,
      close: (reason) => stream.end(reason),
      viewerReady: () => {
        for (const packet of this.#packets) stream.publish(packet);
      },
    });
    for (const { track } of this.#packets) stream.setTrack(track);
    this.streams.push(stream);
    return stream;
  }
}

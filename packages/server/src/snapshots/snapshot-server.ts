import {
  type Counters,
  type Log,
  MediaServerError,
  type PictureMaker,
  type SnapshotRequest,
  type Snapshots,
  type StreamRegistry,
} from '../core/index.ts';
import type { SnapshotOptions } from './options.ts';

export interface SnapshotDeps {
  readonly streams: StreamRegistry;
  readonly pictures: PictureMaker;
  readonly log: Log;
  readonly counters: Counters;
}

/** Takes pictures of live streams. */
export class SnapshotServer implements Snapshots {
  readonly #deps: SnapshotDeps;

  constructor(deps: SnapshotDeps, _options: SnapshotOptions) {
    this.#deps = deps;
  }

  async take({ streamName }: SnapshotRequest): Promise<Uint8Array> {
    if (this.#deps.streams.get(streamName) === undefined)
      throw new MediaServerError('STREAM_NOT_FOUND', `there is no stream "${streamName}"`);
    throw new MediaServerError('SNAPSHOT_FAILED', 'pictures can not be taken yet');
  }
}

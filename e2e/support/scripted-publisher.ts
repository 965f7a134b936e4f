import { readFileSync } from 'node:fs';
import { FlvDemuxer } from '@sluice/media';
import { TestClient } from '../../packages/server/src/protocols/rtmp/testing/client.ts';
import { setChunkSize } from '../../packages/server/src/protocols/rtmp/wire/chunk-writer.ts';
import { pause } from './program.ts';

const CHUNK_BYTES = 65_536;
const VIDEO = 9;
const SCRIPT = 18;

/** A message of sound or picture, with the time on the wire and the moment to send it, both in ms. */
export interface TimedTag {
  readonly type: number;
  readonly data: Uint8Array;
  /** Taken modulo 2³² when it is sent. */
  readonly timestampMs: number;
  readonly sendAtMs: number;
}

/** The pictures and sounds of an FLV file, to be sent in real time with the times that they have there. */
export function readTags(file: string): TimedTag[] {
  const tags = new FlvDemuxer().push(readFileSync(file)).filter(({ type }) => type !== SCRIPT);
  return tags.map(({ type, data, timestampMs }) => ({ type, data, timestampMs, sendAtMs: timestampMs }));
}

export function isVideo({ type }: { readonly type: number }): boolean {
  return type === VIDEO;
}

/** A publisher that sends just what it is told: for what no encoder can be made to send. */
export class ScriptedPublisher {
  /** Time of the last tag that was sent, ms. */
  sentMs = 0;
  readonly #client: TestClient;

  private constructor(client: TestClient) {
    this.#client = client;
  }

  static async start(port: number, name: string): Promise<ScriptedPublisher> {
    const client = await TestClient.connect(port);
    client.socket.write(setChunkSize(CHUNK_BYTES));
    client.chunkSize = CHUNK_BYTES;
    const status = await client.publish(name);
    if (status['code'] !== 'NetStream.Publish.Start') throw new Error(`refused with ${JSON.stringify(status)}`);
    return new ScriptedPublisher(client);
  }

  /**
   * Sends the tags, each at its moment after the call, until all are sent or it is told to stop; resolves with those that
   * were.
   */
  async send(tags: readonly TimedTag[], stop?: AbortSignal): Promise<readonly TimedTag[]> {
    const started = performance.now();
    for (const [i, tag] of tags.entries()) {
      if (stop?.aborted) return tags.slice(0, i);
      const waitMs = started + tag.sendAtMs - performance.now();
      if (waitMs > 0) await pause(waitMs);
      if (this.#client.socket.destroyed) throw new Error('the server closed the connection');
      this.#client.send(tag.type, tag.data, tag.timestampMs);
      this.sentMs = tag.sendAtMs;
    }
    return tags;
  }

  /** Leaves as an encoder does that is stopped. */
  async stop(): Promise<void> {
    this.#client.command('deleteStream', 4, null, 1);
    await this.#client.close();
  }
}

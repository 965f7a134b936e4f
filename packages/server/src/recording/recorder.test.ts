import { fileURLToPath } from 'node:url';
import type { MediaPacket } from '@sluice/media';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import {
  type FixtureOptions,
  packetsOf,
  probe,
  type RecordingFixture,
  recordingFixture,
} from './testing/recording-fixture.ts';

const DEMO = fileURLToPath(new URL('../../../../assets/demo.mp4', import.meta.url));

let demo: MediaPacket[];
let fixture: RecordingFixture;

beforeAll(async () => {
  demo = await packetsOf(DEMO);
});

afterEach(() => fixture.close());

async function start(options: FixtureOptions = {}): Promise<void> {
  fixture = await recordingFixture(options);
}

/** Decoding and presentation times of one kind relative to the first of both, milliseconds. */
function times(packets: readonly { ptsUs: number; dtsUs: number }[], baseUs: number): number[][] {
  return packets.map(({ dtsUs, ptsUs }) => [dtsUs, ptsUs].map((us) => Math.round((us - baseUs) / 1000)));
}

const ofKind = (packets: readonly MediaPacket[], kind: string): MediaPacket[] =>
  packets.filter(({ track }) => track.kind === kind);

describe('a recording', () => {
  it('has each packet of the publication once, in order and at its time', async () => {
    await start();
    const publication = fixture.publish('s');
    publication.send(demo);
    publication.end();
    const name = await fixture.server.settled(publication.mediaSessionId);
    expect(name).toBe('s.mp4');
    const path = fixture.completed[0]?.path as string;
    const probed = await probe(path);
    const baseUs = Math.min(...demo.map(({ dtsUs }) => dtsUs));
    for (const kind of ['video', 'audio']) {
      const read = probed.filter((packet) => packet.kind === kind);
      expect(times(read, 0)).toEqual(times(ofKind(demo, kind), baseUs));
    }
  });
});

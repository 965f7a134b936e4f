import { afterEach, describe, expect, it } from 'vitest';
import type { RecordingConfig } from '../../../core/index.ts';
import type { SignallingRecorder } from '../signalling-server.ts';
import { RoomGuest } from '../testing/room-guest.ts';
import { eventually, SignallingFixture } from '../testing/signalling-fixture.ts';

let fixture: SignallingFixture;

afterEach(() => fixture.close());

/** Notes what it is to record from its middle on; what is in `running` is recorded already. */
class NotedRecorder implements SignallingRecorder {
  enabled = true;
  readonly started: [string, RecordingConfig | undefined][] = [];
  readonly running = new Set<string>();
  of(mediaSessionId: string) {
    if (!this.running.has(mediaSessionId)) return undefined;
    const files = { id: 'r', mediaSessionId, streamName: '', fileName: '', startedAtMs: 0, durationMs: 0, bytes: 0 };
    return { ...files, trouble: undefined };
  }
  settled(): undefined {}
  async start(mediaSessionId: string, config?: RecordingConfig): Promise<void> {
    this.started.push([mediaSessionId, config]);
    this.running.add(mediaSessionId);
  }
}

async function start(recorder?: SignallingRecorder): Promise<[RoomGuest, RoomGuest]> {
  fixture = await SignallingFixture.start({}, 0, { recorder });
  return [await RoomGuest.connect(fixture, 'ann'), await RoomGuest.connect(fixture, 'bob')];
}

const ONE_FILE = { rotation: 'disabled' };

describe('a room that is to be recorded', () => {
  it('has what is published in it recorded: from its beginning, or from now on, and into one file each', async () => {
    const recorder = new NotedRecorder();
    const [ann, bob] = await start(recorder);
    await ann.join('hall');
    await ann.publish('hall', 'before');
    await ann.publish('hall', 'own', { record: true });
    recorder.running.add('own');
    expect(recorder.started).toEqual([]);
    await bob.join('hall', { record: true });
    await eventually(() => expect(recorder.started).toEqual([['before', ONE_FILE]]));
    await ann.publish('', 'private', { custom: {} });
    recorder.running.add('after');
    await ann.publish('hall', 'after');
    const wishes = fixture.gateway.requests.map(({ streamName, record, rotation }) => [streamName, record, rotation]);
    expect(wishes).toEqual([
      ['before', false, 'disabled'],
      ['own', true, 'disabled'],
      ['private', false, undefined],
      ['after', true, 'disabled'],
    ]);
    expect(await ann.client.status('after', 'PUBLISHING')).toMatchObject({ record: true });
    expect(recorder.started).toHaveLength(1);
  });

  it('stays so when others join without that wish, and begins nothing twice', async () => {
    const recorder = new NotedRecorder();
    const [ann, bob] = await start(recorder);
    await ann.join('hall', { record: true });
    await bob.join('hall');
    await bob.join('hall', { record: true });
    await bob.publish('hall', 'b');
    expect(fixture.gateway.requests[0]?.record).toBe(true);
    expect(fixture.server.rooms.get('roomApp', 'hall')?.record).toBe(true);
    expect(recorder.started).toEqual([['b', ONE_FILE]]);
  });

  it('records also what was asked for before that wish, and began after it', async () => {
    const recorder = new NotedRecorder();
    const [ann, bob] = await start(recorder);
    await ann.join('hall');
    ann.client.publish('p', 'p', {
      sdp: 'v=0\r\nm=audio 9 X 1\r\na=rtpmap:1 opus/48000\r\n',
      custom: { name: 'hall' },
    });
    await ann.client.next('setRemoteSDP');
    await bob.join('hall', { record: true });
    fixture.gateway.peer('p').activate();
    await eventually(() => expect(recorder.started).toEqual([['p', ONE_FILE]]));
  });

  it('is a room all the same where nothing can be recorded, and who wished it is warned', async () => {
    const off = new NotedRecorder();
    off.enabled = false;
    for (const recorder of [undefined, off]) {
      const [ann] = await start(recorder);
      expect(await ann.join('hall', { record: true })).toBe('ACCEPTED');
      const { data } = await ann.client.next('fail');
      expect(data).toEqual([{ apiMethod: 'sendData', status: 'FAILED', info: 'Recording is not available' }]);
      await ann.publish('hall', 'a');
      if (recorder === undefined) await fixture.close();
    }
  });
});

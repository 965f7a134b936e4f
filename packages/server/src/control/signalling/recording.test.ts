import { afterEach, describe, expect, it } from 'vitest';
import { MediaServerError, type RecordingEvent, type SnapshotRequest } from '../../core/index.ts';
import { ScriptedAccess } from '../../core/testing/scripted-access.ts';
import type { SignallingRecorder } from './signalling-server.ts';
import { OFFER } from './testing/memory-gateway.ts';
import { eventually, SignallingFixture } from './testing/signalling-fixture.ts';

let fixture: SignallingFixture;

const NO_FILES: SignallingRecorder = {
  enabled: true,
  of: () => undefined,
  start: async () => {},
  settled: () => undefined,
};

afterEach(() => fixture.close());

/** A recorder whose files are complete when a test says so. */
class PendingFiles implements SignallingRecorder {
  readonly enabled = true;
  readonly of = (): undefined => undefined;
  readonly start = async (): Promise<void> => {};
  readonly finish = new Map<string, (name: string) => void>();
  readonly settled = (mediaSessionId: string): Promise<string> =>
    new Promise((resolve) => this.finish.set(mediaSessionId, resolve));
}

describe('a publisher that is recorded', () => {
  it('is told UNPUBLISHED with the name of the file once that is complete, and its players before', async () => {
    const recorder = new PendingFiles();
    fixture = await SignallingFixture.start({}, 0, { recorder });
    const client = await fixture.publisher('room', OFFER);
    const player = await fixture.player('v', 'room', OFFER);
    client.send('unPublishStream', { mediaSessionId: 'room-pub', name: 'room' });
    await player.status('v', 'FAILED');
    expect(client.about('room-pub')).not.toContain('notifyStreamStatusEvent UNPUBLISHED');
    await eventually(() => expect(recorder.finish.has('room-pub')).toBe(true));
    recorder.finish.get('room-pub')?.('stream-room.mp4');
    expect(await client.status('room-pub', 'UNPUBLISHED')).toMatchObject({ recordName: 'stream-room.mp4' });
  });

  it('is asked to be recorded by the record flag as the back end leaves it, and named by its login', async () => {
    const access = new ScriptedAccess();
    access.answer = (what, fields) =>
      what === 'publish' ? { fields: { record: fields['name'] === 'wanted' } } : undefined;
    fixture = await SignallingFixture.start({}, 0, { access, recorder: NO_FILES });
    const client = await fixture.client();
    client.publish('a', 'wanted', { sdp: OFFER, record: false });
    client.publish('b', 'unwanted', { sdp: OFFER, record: true });
    await eventually(() => expect(fixture.gateway.requests).toHaveLength(2));
    const records = fixture.gateway.requests.map(({ streamName, record, login }) => ({ streamName, record, login }));
    expect(records).toContainEqual({ streamName: 'wanted', record: true, login: expect.stringMatching(/./) });
    expect(records).toContainEqual({ streamName: 'unwanted', record: false, login: expect.stringMatching(/./) });
  });

  it('has what happens to its recording told to its back end, also when it is gone', async () => {
    const access = new ScriptedAccess();
    fixture = await SignallingFixture.start({}, 0, { access, recorder: NO_FILES });
    const client = await fixture.publisher('room', OFFER);
    const { events } = fixture.gateway.requests[0] ?? {};
    const event: RecordingEvent = { type: 'recordingCompleted', fileName: 'a.mp4', facts: { bytes: 7 } };
    client.drop();
    await eventually(() => expect(access.open).toBe(0));
    events?.onRecording?.(event);
    expect(access.calls.at(-1)).toEqual({ what: 'recorded', fields: event });
  });
});

describe('a snapshot', () => {
  it('is taken of the newest picture as PNG and sent in base64', async () => {
    const asked: SnapshotRequest[] = [];
    const take = async (request: SnapshotRequest) => {
      asked.push(request);
      return Buffer.from('picture');
    };
    fixture = await SignallingFixture.start({}, 0, { snapshots: { take } });
    const client = await fixture.publisher('room', OFFER);
    client.send('snapshot', { mediaSessionId: 's', name: 'room' });
    const { data } = await client.next('notifyStreamEvent', ({ type }) => type === 'snapshotCompleted');
    expect(data).toEqual([
      {
        mediaSessionId: 's',
        type: 'snapshotCompleted',
        payload: { snapshot: Buffer.from('picture').toString('base64') },
      },
    ]);
    expect(asked).toMatchObject([{ streamName: 'room', format: 'png', which: 'newest' }]);
  });

  it('that can not be taken is told with why', async () => {
    const take = async (): Promise<Uint8Array> => {
      throw new MediaServerError('SNAPSHOT_FAILED', 'no picture came');
    };
    fixture = await SignallingFixture.start({}, 0, { snapshots: { take } });
    const client = await fixture.publisher('room', OFFER);
    client.send('snapshot', { mediaSessionId: 's', name: 'room' });
    const { data } = await client.next('notifyStreamEvent', ({ type }) => type === 'snapshotFailed');
    expect(data).toEqual([{ mediaSessionId: 's', type: 'snapshotFailed', payload: { info: 'no picture came' } }]);
  });

  it('is given up when its client leaves, and no more than eight are taken for one client', async () => {
    const signals: AbortSignal[] = [];
    const take = ({ signal }: SnapshotRequest): Promise<Uint8Array> => {
      signals.push(signal);
      return new Promise((_, reject) => {
        signal.addEventListener('abort', () => reject(new MediaServerError('SNAPSHOT_FAILED', 'given up')));
      });
    };
    fixture = await SignallingFixture.start({}, 0, { snapshots: { take } });
    const client = await fixture.publisher('room', OFFER);
    for (let i = 0; i < 9; i++) client.send('snapshot', { mediaSessionId: `s${i}`, name: 'room' });
    await client.next(
      'notifyStreamEvent',
      ({ type, mediaSessionId }) => type === 'snapshotFailed' && mediaSessionId === 's8',
    );
    expect(signals).toHaveLength(8);
    client.drop();
    await eventually(() => expect(signals.every(({ aborted }) => aborted)).toBe(true));
  });
});

import type { RecordingsBody } from '@sluice/contract';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type FileStream, MediaServerError, type SnapshotRequest } from '../../core/index.ts';
import { ControlFixture } from '../testing/control-fixture.ts';
import { recordingEntry, ScriptedRecorder } from '../testing/scripted-recorder.ts';

let fixture: ControlFixture;
let recorder: ScriptedRecorder;
let base: string;
let asked: SnapshotRequest[];
let files: FileStream[];

beforeEach(async () => {
  fixture = new ControlFixture();
  fixture.publish('room', { mediaSessionId: 'p' });
  recorder = new ScriptedRecorder(['p', 'q']);
  asked = [];
  files = [];
  base = await fixture.start({
    recorder,
    snapshots: {
      take: async (request) => {
        asked.push(request);
        if (request.streamName !== 'room') throw new MediaServerError('STREAM_NOT_FOUND', 'no such stream');
        return Buffer.from('picture');
      },
    },
    fileStreams: {
      startup: async (uri, { streamName, loop = false }) => {
        if (uri.includes('none')) throw new MediaServerError('FILE_NOT_FOUND', 'File not found');
        if (files.some((file) => file.streamName === streamName))
          throw new MediaServerError('STREAM_NAME_BUSY', 'that name is in use');
        const media = { mediaSessionId: 'p', hasVideo: true, hasAudio: false, positionMs: 10.4, durationMs: 60_000 };
        files.push({ uri, streamName, loop, ...media });
      },
      all: () => files,
      terminate: ({ uri, streamName }) => {
        const before = files.length;
        files = files.filter(
          (file) => (uri ?? file.uri) !== file.uri || (streamName ?? file.streamName) !== file.streamName,
        );
        return files.length < before;
      },
    },
  });
});

afterEach(() => fixture.close());

async function call(path: string, body?: unknown): Promise<{ status: number; body: unknown }> {
  const response = await fetch(`${base}/rest-api${path}`, { method: 'POST', body: JSON.stringify(body ?? {}) });
  const text = await response.text();
  return { status: response.status, body: text === '' ? '' : JSON.parse(text) };
}

async function statusOf(path: string, body?: unknown): Promise<number> {
  return (await call(path, body)).status;
}

describe.each([
  ['/recorder/startup', '/recorder/terminate'],
  ['/stream/startRecording', '/stream/stopRecording'],
])('%s and %s', (startup, terminate) => {
  it('begin and end the recording of a publication', async () => {
    const config = { fileTemplate: 'test', rotation: 20 };
    expect(await call(startup, { mediaSessionId: 'p', config })).toEqual({ status: 200, body: '' });
    expect(recorder.calls).toEqual([['start', 'p', { fileTemplate: 'test', rotation: '20' }]]);
    expect(await call('/recorder/find_all')).toEqual({
      status: 200,
      body: [
        {
          fileName: 'test-{endTime}.mp4',
          mediaSessionId: 'p',
          streamName: 'room',
          id: 'r9',
          startedAt: 5000,
          durationMs: 40,
          bytes: 17,
        },
      ],
    });
    expect((await call('/stream/find', { record: true })).body).toMatchObject([
      { mediaSessionId: 'p', record: true, recordName: 'test-{endTime}.mp4' },
    ]);
    expect(await call(terminate, { mediaSessionId: 'p' })).toEqual({ status: 200, body: '' });
    expect(await statusOf(terminate, { mediaSessionId: 'p' })).toBe(404);
    expect(await statusOf('/recorder/find_all')).toBe(404);
    expect(await statusOf('/stream/find', { record: true })).toBe(404);
  });

  it('answer 404 for what is not published, and say what else is wrong', async () => {
    expect(await statusOf(startup, { mediaSessionId: 'x' })).toBe(404);
    recorder.error = new MediaServerError('RECORDING_DISABLED', 'record_streams=false');
    expect(await call(startup, { mediaSessionId: 'p' })).toMatchObject({
      status: 500,
      body: { message: 'record_streams=false' },
    });
    // A refusal is no fault of the program.
    expect(fixture.errors).toEqual([]);
    recorder.error = new MediaServerError('RECORDING_CONFIG_INVALID', 'rotation is …');
    expect(await statusOf(startup, { mediaSessionId: 'p', config: { rotation: 'often' } })).toBe(400);
  });
});

describe('/multipleRecorder', () => {
  const uri = 'multi-recorder://meeting';

  it('records several streams in one file, with the spelling of WCS', async () => {
    expect(await statusOf('/multipleRecorder/startup', { uri })).toBe(200);
    expect(await statusOf('/multipleRecorder/startup', { uri })).toBe(409);
    expect(await statusOf('/multipleRecorder/add', { uri, mediaSessionId: 'p' })).toBe(200);
    expect(await statusOf('/multipleRecorder/add', { uri, mediaSessionId: 'p' })).toBe(409);
    expect(await statusOf('/multipleRecorder/add', { uri, mediaSessionId: 'x' })).toBe(404);
    expect(await statusOf('/multipleRecorder/add', { uri: 'multi-recorder://x', mediaSessionId: 'p' })).toBe(404);
    expect((await call('/multipleRecorder/find_all')).body).toEqual([
      { mediaSessionsId: ['p'], uri, fileName: 'multi-recorder___meeting.mp4' },
    ]);
    expect(await statusOf('/multipleRecorder/remove', { uri, mediaSessionId: 'p' })).toBe(200);
    expect(await statusOf('/multipleRecorder/remove', { uri, mediaSessionId: 'p' })).toBe(404);
    expect(await statusOf('/multipleRecorder/terminate', { uri })).toBe(200);
    expect(await statusOf('/multipleRecorder/terminate', { uri })).toBe(404);
    expect(await statusOf('/multipleRecorder/find_all')).toBe(404);
  });
});

describe('/recording', () => {
  it('tells what became of each file', async () => {
    recorder.list = [
      recordingEntry({
        gaps: [{ atMs: 10.4, lostPackets: 3 }],
        upload: { state: 'uploading', progress: 0.5, attempts: 1, location: 's3://b/room.mp4' },
      }),
    ];
    expect((await call('/recording/find_all')).body).toEqual([
      {
        id: 'r1',
        streamName: 'room',
        mediaSessionId: 'p',
        appKey: 'defaultApp',
        login: 'anna',
        part: 1,
        container: 'mp4',
        state: 'complete',
        fileName: 'a b/room.mp4',
        url: '/client/records/a%20b/room.mp4',
        startedAt: 1000,
        endedAt: 3000,
        durationMs: 2000,
        bytes: 1234,
        tracks: [{ kind: 'video', codec: 'h264', width: 320, height: 180, samples: 50, durationMs: 2000 }],
        lostPackets: 0,
        gaps: [{ atMs: 10, lostPackets: 3 }],
        upload: { state: 'uploading', progress: 0.5, attempts: 1, location: 's3://b/room.mp4' },
      },
    ]);
  });

  it('finds by any field and time, page by page, and deletes', async () => {
    recorder.list = ['c', 'b', 'a'].map((id, i) => recordingEntry({ id, startedAtMs: 300 - i * 100, streamName: id }));
    const ids = async (filter: object) =>
      ((await call('/recording/find', filter)).body as { id: string }[]).map(({ id }) => id);
    expect(await ids({})).toEqual(['c', 'b', 'a']);
    expect(await ids({ streamName: 'b' })).toEqual(['b']);
    expect(await ids({ from: 200, to: '300' })).toEqual(['b']);
    expect(await ids({ offset: 1, limit: 1 })).toEqual(['b']);
    expect(await statusOf('/recording/find', { state: 'failed' })).toBe(404);
    expect(await statusOf('/recording/delete', { id: 'b' })).toBe(200);
    expect(await statusOf('/recording/delete', { id: 'b' })).toBe(404);
    recorder.list = [recordingEntry({ state: 'finalising' })];
    expect(await statusOf('/recording/delete', { id: 'r1' })).toBe(409);
    expect((await fetch(`${base}/rest-api/recording/delete?id=r1`)).status).not.toBe(200);
  });
});

describe('/vod', () => {
  it('plays files as streams, finds and ends them', async () => {
    const uri = 'vod-live://sample.mp4';
    expect(await statusOf('/vod/startup', { uri, localStreamName: 'tv', loop: 'true' })).toBe(200);
    expect(await statusOf('/vod/startup', { uri, localStreamName: 'tv' })).toBe(409);
    expect(await statusOf('/vod/startup', { uri: 'vod-live://none.mp4', localStreamName: 'x' })).toBe(404);
    expect(await statusOf('/vod/startup', { uri: 'vod://sample.mp4', localStreamName: 'x' })).toBe(400);
    await recorder.start('p');
    const object = {
      localMediaSessionId: 'p',
      localStreamName: 'tv',
      uri,
      status: 'PROCESSED_LOCAL',
      hasAudio: false,
      hasVideo: true,
      record: true,
      loop: true,
      positionMs: 10,
      durationMs: 60_000,
    };
    expect((await call('/vod/find_all')).body).toEqual([object]);
    expect((await call('/vod/find', { localStreamName: 'tv' })).body).toEqual([object]);
    expect(await statusOf('/vod/find', { localStreamName: 'other' })).toBe(404);
    expect(await statusOf('/vod/terminate', {})).toBe(400);
    expect(await statusOf('/vod/terminate', { uri, localStreamName: 'other' })).toBe(404);
    expect(await statusOf('/vod/terminate', { uri, localStreamName: 'tv' })).toBe(200);
    expect(await statusOf('/vod/find_all')).toBe(404);
  });
});

describe('/stream/snapshot', () => {
  it('gives a picture in base64, of the stream that is named or of that of a session', async () => {
    const data = Buffer.from('picture').toString('base64');
    expect(await call('/stream/snapshot', { streamName: 'room' })).toEqual({ status: 200, body: { data } });
    const wish = { format: 'jpeg', width: 320, quality: 50 };
    expect(await call('/stream/snapshot', { mediaSessionId: 'p', ...wish })).toEqual({ status: 200, body: { data } });
    expect(asked).toMatchObject([
      { streamName: 'room', format: 'png', which: 'newest' },
      { streamName: 'room', ...wish },
    ]);
    expect(await statusOf('/stream/snapshot', { streamName: 'none' })).toBe(404);
    expect(await statusOf('/stream/snapshot', { mediaSessionId: 'none' })).toBe(404);
    expect(await statusOf('/stream/snapshot', {})).toBe(400);
    expect(await statusOf('/stream/snapshot', { name: 'room', width: 100_000 })).toBe(400);
  });
});

describe('GET /api/recordings', () => {
  it('gives what runs, a page of files that fit, and the room on the disk', async () => {
    recorder.list = ['one', 'two', 'three'].map((streamName) =>
      recordingEntry({ id: streamName, streamName, bytes: 10 }),
    );
    await recorder.start('p');
    const of = async (query: string) =>
      (await fetch(`${base}/api/recordings${query}`)).json() as Promise<RecordingsBody>;
    expect(await of('')).toMatchObject({
      enabled: true,
      total: 3,
      matching: 3,
      totalBytes: 30,
      disk: { freeBytes: 7, sizeBytes: 10 },
      running: [{ mediaSessionId: 'p', durationMs: 40 }],
    });
    const page = await of('?text=T&offset=1&limit=1');
    expect([page.matching, page.recordings.map(({ id }) => id)]).toEqual([2, ['three']]);
    expect((await of('?state=failed')).recordings).toEqual([]);
  });
});

describe('numbers of recordings', () => {
  it('are among the statistics and metrics', async () => {
    await recorder.start('p');
    const stat = (await (await fetch(`${base}/?action=stat&format=json`)).json()) as Record<string, object>;
    expect(stat['recording_stats']).toMatchObject({
      recordings: 1,
      recordings_unwritten_bytes: 5,
      recordings_uploads: 2,
    });
    const metrics = await (await fetch(`${base}/metrics`)).text();
    expect(metrics).toContain('sluice_recordings_running 1');
    expect(metrics).toContain('sluice_uploads_waiting 2');
  });
});

describe('a server without these functions', () => {
  it('says so by 501', async () => {
    const bare = new ControlFixture();
    const at = await bare.start();
    for (const [path, body] of [
      ['/recorder/find_all', {}],
      ['/vod/find_all', {}],
      ['/stream/snapshot', { streamName: 'x' }],
    ] as const) {
      const response = await fetch(`${at}/rest-api${path}`, { method: 'POST', body: JSON.stringify(body) });
      expect([path, response.status]).toEqual([path, 501]);
    }
    await bare.close();
  });
});

import { type ErrorBody, ExplainAnswer } from '@sluice/contract';
import Value from 'typebox/value';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Ending, type PastSession, RecentEndings } from '../../core/index.ts';
import { ControlFixture } from '../testing/control-fixture.ts';

let fixture: ControlFixture;
let endings: RecentEndings;
let url: string;

beforeEach(async () => {
  fixture = new ControlFixture();
  endings = new RecentEndings();
  url = `${await fixture.start({ endings })}/rest-api/stream/explain`;
});

afterEach(() => fixture.close());

async function ask(question: object): Promise<{ status: number; body: unknown }> {
  const response = await fetch(url, { method: 'POST', body: JSON.stringify(question) });
  return { status: response.status, body: await response.json() };
}

/** An answer, which keeps to its schema. */
async function answerTo(question: object): Promise<ExplainAnswer> {
  const { status, body } = await ask(question);
  expect(status, JSON.stringify(body)).toBe(200);
  expect([...Value.Errors(ExplainAnswer, body)]).toEqual([]);
  return body as ExplainAnswer;
}

async function refusalOf(question: object): Promise<{ status: number; message: string }> {
  const { status, body } = await ask(question);
  return { status, message: (body as ErrorBody).message };
}

function addPlayer(mediaSessionId: string, createDate = Date.now()): void {
  const player = { mediaSessionId, createDate, mediaType: 'play', status: 'PLAYING' } as const;
  fixture.addSession('room', { ...player, custom: { token: 'do-not-tell' } });
}

const PAST: PastSession = {
  ...{ mediaSessionId: 'gone', sessionId: '/a/b', streamName: 'room', protocol: 'webrtc', mediaType: 'play' },
  ...{ remoteAddress: '192.0.2.9', sinceMs: Date.now() - 20_000, endedMs: Date.now() - 5000 },
  ...{ errorCode: 'internal_error', error: 'something broke', facts: undefined },
};

const ENDING: Ending = {
  ...{ mediaSessionId: 'told', sessionId: '/a/b', streamName: 'room', protocol: 'rtmp', mediaType: 'publish' },
  ...{ status: 'FAILED', info: 'Access denied by the back end', atMs: Date.now() - 1000 },
};

describe('the explanation of a stream by its name', () => {
  it('has the publisher first, then its players, the newest first', async () => {
    addPlayer('old', 1000);
    addPlayer('new', 2000);
    fixture.publish('room', { mediaSessionId: 'publisher' });
    fixture.publish('other');
    const answer = await answerTo({ name: 'room' });
    expect(answer.sessions[0]?.media[0]).toMatchObject({ kind: 'video', delivery: 'received', codec: 'h264' });
    expect(answer).toMatchObject({ name: 'room', live: true, sessionsOmitted: 0, past: [] });
    expect(answer.sessions.map(({ mediaSessionId }) => mediaSessionId)).toEqual(['publisher', 'new', 'old']);
    expect(answer.stream).toMatchObject({
      publisher: { protocol: 'rtmp' },
      video: { codec: 'h264', codecString: 'avc1.64001f', width: 1280, height: 720, keyFrames: 1 },
      audio: { codec: 'aac', sampleRate: 48_000, channels: 2 },
    });
    expect(answer.stream?.video?.lastKeyFrameAgeMs).toBeLessThan(5000);
    expect(answer.verdict[0]?.code).toBe('ALL_WELL');
  });

  it('lists 50 sessions and counts the rest', async () => {
    fixture.publish('room', { mediaSessionId: 'publisher' });
    for (let i = 0; i < 60; i++) addPlayer(`p${i}`, i);
    const { sessions, sessionsOmitted } = await answerTo({ name: 'room' });
    expect([sessions.length, sessionsOmitted]).toEqual([50, 11]);
    expect(sessions[0]?.mediaSessionId).toBe('publisher');
    expect(sessions[1]?.mediaSessionId).toBe('p59');
  });

  it('has what publishers say of themselves, and nothing of what clients came with', async () => {
    const { sessionId } = fixture.addConnection('/192.0.2.7:50000/192.0.2.1:1935');
    const description = fixture.addSession('room', { sessionId, custom: { token: 'do-not-tell' } });
    fixture.sessions.add({
      mediaSessionId: 'with-facts',
      describe: () => ({ ...description, mediaSessionId: 'with-facts' }),
      explain: () => ({ tcp: { queuedBytes: 7, refusal: undefined }, media: [] }),
      close: () => {},
    });
    addPlayer('p');
    const answer = await answerTo({ name: 'room' });
    const told = answer.sessions.find(({ mediaSessionId }) => mediaSessionId === 'with-facts');
    expect(told?.tcp).toEqual({ queuedBytes: 7, agent: 'FMLE/3.0' });
    expect(JSON.stringify(answer)).not.toContain('do-not-tell');
  });

  it('tells why it is not live, from what clients were told', async () => {
    endings.add(ENDING);
    const answer = await answerTo({ name: 'room' });
    expect(answer).toMatchObject({ live: false, sessions: [] });
    expect(answer).not.toHaveProperty('stream');
    expect(answer.verdict.map(({ code }) => code)).toEqual(['NOT_LIVE', 'FAILED']);
    expect(answer.verdict[1]?.text).toContain('Access denied by the back end');
  });

  it('names live streams that are alike, and knows the words that clients are told', async () => {
    fixture.publish('Room');
    endings.add({ ...ENDING, mediaType: 'play', info: 'Stream not found' });
    const { past, verdict, similarNames } = await answerTo({ name: 'room' });
    expect(similarNames).toEqual(['Room']);
    expect(past[0]?.errorCode).toBe('STREAM_NOT_FOUND');
    expect(verdict[0]?.advice).toContain('Live are "Room".');
  });

  it('tells of a session that protocol and access control remember once, with the latest first', async () => {
    fixture.publish('room');
    fixture.sessions.past.add(PAST);
    endings.add({ ...ENDING, mediaSessionId: 'gone', mediaType: 'play' });
    endings.add(ENDING);
    const { past } = await answerTo({ name: 'room' });
    expect(past.map(({ mediaSessionId }) => mediaSessionId)).toEqual(['told', 'gone']);
    const lastError = 'something broke (the client was told: Access denied by the back end)';
    expect(past[1]).toMatchObject({ status: 'FAILED', errorCode: 'internal_error', lastError });
  });
});

describe('the explanation of a session by its id', () => {
  it('has the session with its publisher', async () => {
    fixture.publish('room', { mediaSessionId: 'publisher' });
    addPlayer('a');
    addPlayer('b');
    const { name, sessions } = await answerTo({ mediaSessionId: 'b' });
    expect(name).toBe('room');
    expect(sessions.map(({ mediaSessionId }) => mediaSessionId)).toEqual(['publisher', 'b']);
    const { sessions: alone } = await answerTo({ mediaSessionId: 'publisher' });
    expect(alone).toHaveLength(1);
  });

  it('has a session that is over', async () => {
    fixture.sessions.past.add(PAST);
    const { live, past, verdict } = await answerTo({ mediaSessionId: 'gone' });
    expect([live, past.length]).toEqual([false, 1]);
    expect(verdict.find(({ code }) => code === 'FAILED')?.text).toContain('something broke (internal_error)');
  });
});

describe('a question that can not be answered', () => {
  it('about nothing is told what may be asked', async () => {
    expect(await refusalOf({})).toMatchObject({ status: 400, message: expect.stringContaining('mediaSessionId') });
    expect(await refusalOf({ name: '' })).toMatchObject({ status: 400 });
  });

  it('about a name is told the names that are alike', async () => {
    for (const name of ['camera-1', 'camera-2', 'lobby']) fixture.publish(name);
    const { status, message } = await refusalOf({ name: 'camera1' });
    expect(status).toBe(404);
    expect(message).toContain('did you mean "camera-1", "camera-2"?');
    expect((await refusalOf({ name: 'LOBBY' })).message).toContain('did you mean "lobby"?');
  });

  it('about a name like none is told what is live', async () => {
    expect((await refusalOf({ name: 'x' })).message).toContain('no stream is live at all');
    for (let i = 0; i < 7; i++) fixture.publish(`stream-${i}`);
    expect((await refusalOf({ name: 'zzz' })).message).toMatch(/live are "stream-0", .*"stream-4" and 2 others/);
  });

  it('about an id is told where to find those that are known', async () => {
    const { status, message } = await refusalOf({ mediaSessionId: 'nobody' });
    expect([status, message]).toEqual([404, expect.stringContaining('/rest-api/stream/find_all')]);
  });

  it('is answered shortly, however long the names and however many', async () => {
    for (let i = 0; i < 600; i++) fixture.publish(`${'a'.repeat(900)}${i}`);
    const { message } = await refusalOf({ name: 'b'.repeat(1000) });
    expect(message.length).toBeLessThan(1000);
  });
});

import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { type ErrorCode, MediaServerError, type MediaSession, type PeerEndReason } from '../../../core/index.ts';
import { type AccessAnswer, ScriptedAccess } from '../../../core/testing/scripted-access.ts';
import type { WhipDeps } from './index.ts';
import { OFFER, sessionOf, WhipFixture } from './testing/whip-fixture.ts';

let fixture: WhipFixture;
let access: ScriptedAccess;

beforeEach(async () => {
  access = new ScriptedAccess();
  fixture = await WhipFixture.start({}, { access });
});

afterEach(() => fixture.close());

async function restart(deps: Partial<Pick<WhipDeps, 'allowsOrigin'>>): Promise<void> {
  await fixture.close();
  fixture = await WhipFixture.start({}, { access, ...deps });
}

/** Has one question wait for an answer that the test gives. */
function held(question: string): (answer?: AccessAnswer) => void {
  let give = (_answer: AccessAnswer): void => {};
  const answer = new Promise<AccessAnswer>((resolve) => {
    give = resolve;
  });
  access.answer = (what) => (what === question ? answer : undefined);
  return (given) => give(given);
}

/** All that was asked and told, with the words of endings. */
function told(): unknown[] {
  return access.calls.map(({ what, fields }) => {
    if (what === 'ended') return [what, fields['status'], fields['info']];
    return what === 'end' ? [what, fields['reason']] : what;
  });
}

function until(check: () => void): Promise<void> {
  return vi.waitFor(check, { timeout: 10_000, interval: 5 });
}

describe('a client of WHIP', () => {
  it('is asked for with its address’s parameters and its token, then for its stream', async () => {
    const headers = { authorization: 'Bearer from-header', origin: 'http://pages.example', 'user-agent': 'OBS' };
    await fixture.offer('/whip/cam?appKey=shop&a=1', { headers });
    const [connect, established, publish] = access.calls;
    const sessionId = expect.stringMatching(/^\/127\.0\.0\.1:\d+\/127\.0\.0\.1:\d+\/[0-9a-f]{8}$/) as string;
    expect(connect).toMatchObject({
      what: 'connect',
      fields: {
        sessionId,
        appKey: 'shop',
        protocol: 'webrtc',
        remoteAddress: '127.0.0.1',
        custom: { appKey: 'shop', a: '1', token: 'from-header' },
        fields: { origin: 'http://pages.example', clientBrowserVersion: 'OBS', keepAlive: false },
      },
    });
    expect(established?.what).toBe('established');
    expect(publish).toEqual({
      what: 'publish',
      fields: {
        mediaSessionId: fixture.gateway.requests[0]?.mediaSessionId,
        name: 'cam',
        mediaProvider: 'WebRTC',
        hasVideo: false,
        hasAudio: true,
        custom: { appKey: 'shop', a: '1', token: 'from-header' },
        fields: { sdp: OFFER, published: true, status: 'PENDING', record: false },
      },
    });
    expect(fixture.gateway.requests[0]).toMatchObject({ sessionId, appKey: 'shop' });
  });

  it('that names no application has that of the Web SDK, and each session an id of its own', async () => {
    await fixture.offer('/whip/a');
    await fixture.offer('/whip/b?appKey=');
    const [one, two] = access.calls.filter(({ what }) => what === 'connect').map(({ fields }) => fields);
    expect([one?.['appKey'], two?.['appKey']]).toEqual(['defaultApp', 'defaultApp']);
    expect(one?.['sessionId']).not.toBe(two?.['sessionId']);
  });

  it.each([
    ['connect', 'APPLICATION_UNKNOWN', 403, {}],
    ['connect', 'ACCESS_DENIED', 403, {}],
    ['publish', 'TOKEN_REQUIRED', 401, { 'www-authenticate': 'Bearer' }],
    ['publish', 'ACCESS_DENIED', 403, {}],
    ['publish', 'TOO_MANY_ATTEMPTS', 429, { 'retry-after': '10' }],
  ] as const)('that is refused at %s with %s gets %i', async (question, code, status, headers) => {
    access.answer = (what) => {
      if (what === question) throw new MediaServerError(code as ErrorCode, 'because');
      return undefined;
    };
    const response = await fixture.offer('/whip/cam?token=tok-123');
    expect(response.status).toBe(status);
    expect(Object.fromEntries(response.headers)).toMatchObject(headers);
    const body = await response.text();
    expect(JSON.parse(body)).toMatchObject({ status, message: 'because', path: '/whip/cam' });
    expect(body + JSON.stringify(fixture.log.lines)).not.toContain('tok-123');
    expect(fixture.gateway.requests).toEqual([]);
    expect(fixture.whip.sessionCount).toBe(0);
    expect(told()).toEqual(
      question === 'connect' ? ['connect'] : ['connect', 'established', 'publish', ['end', 'because']],
    );
  });

  it('is told "Restricted access" when nobody gives a reason', async () => {
    access.answer = () => ({ deny: '' });
    expect(await (await fixture.offer('/whip/cam')).json()).toMatchObject({ message: 'Restricted access' });
  });

  it('publishes under the name of the back end, and hears of it nowhere', async () => {
    access.answer = (what) => (what === 'publish' ? { fields: { name: 'hidden-name' } } : undefined);
    const response = await fixture.offer('/whip/cam');
    expect(sessionOf(response).location).toMatch(/^\/whip\/cam\/[\w-]{22}$/);
    expect([...fixture.gateway.published.keys()]).toEqual(['hidden-name']);
    const busy = await fixture.offer('/whip/other');
    expect(busy.status).toBe(409);
    expect(await busy.text()).not.toContain('hidden-name');
    expect(told().slice(-2)).toEqual([
      ['ended', 'FAILED', 'Stream name is already in use'],
      ['end', 'Stream name is already in use'],
    ]);
  });

  it('ends with DELETE: its own wish is told first, then the ends', async () => {
    const { location } = sessionOf(await fixture.offer('/whip/cam'));
    await fetch(fixture.url(location), { method: 'DELETE' });
    await fetch(fixture.url(location), { method: 'DELETE' });
    expect(told().slice(3)).toEqual([
      'stopping',
      ['ended', 'UNPUBLISHED', 'Stopped by user'],
      ['end', 'the client ended it'],
    ]);
  });

  it.each([
    ['ice_timeout', '', 'FAILED', 'Failed by ICE timeout'],
    ['ice_keep_alive', '', 'FAILED', 'Failed by ICE keep alive'],
    ['terminated', 'Terminated by keep-alive', 'FAILED', 'Terminated by keep-alive'],
    ['terminated', 'by the operator', 'FAILED', 'Stopped by rest /terminate'],
    ['peer_closed', '', 'UNPUBLISHED', 'Stopped by user'],
  ] as const)('whose peer ends by %s (%s) is told as %s', async (reason, detail, status, info) => {
    const { location } = sessionOf(await fixture.offer('/whip/cam'));
    fixture.gateway.peers[0]?.end(reason as PeerEndReason, detail);
    await fetch(fixture.url(location), { method: 'DELETE' });
    expect(told().slice(3)).toEqual([
      ['ended', status, info],
      ['end', `${reason}: ${detail}`],
    ]);
  });

  it('tells the session when media flows', async () => {
    await fixture.offer('/whip/cam');
    const [request] = fixture.gateway.requests;
    const session = {
      mediaSessionId: request?.mediaSessionId,
      describe: () => ({}),
      close: () => {},
    } as unknown as MediaSession;
    // Of the registry only `get` is asked for here.
    vi.spyOn(fixture.sessions, 'get').mockReturnValue(session);
    request?.events.onActive();
    expect(access.sessions).toEqual([session]);
  });

  it('is ended by the back end', async () => {
    await fixture.offer('/whip/cam');
    access.clients[0]?.close('not welcome any more');
    expect(fixture.gateway.running).toEqual([]);
    expect(fixture.whip.sessionCount).toBe(0);
    expect(told().slice(3)).toEqual([
      ['ended', 'UNPUBLISHED', 'Stopped by session disconnect'],
      ['end', 'not welcome any more'],
    ]);
  });

  it('is told as gone when the server stops', async () => {
    await fixture.offer('/whip/cam');
    await fixture.whip.close();
    expect(told().slice(3)).toEqual([
      ['ended', 'UNPUBLISHED', 'Requested stream shutdown'],
      ['end', 'the server stops'],
    ]);
  });
});

describe('a client of WHEP', () => {
  it('asks to play, and plays what the back end says', async () => {
    access.answer = (what) => (what === 'publish' || what === 'play' ? { fields: { name: 'real' } } : undefined);
    await fixture.offer('/whip/cam');
    const response = await fixture.offer('/whep/ticket-7');
    expect(response.status).toBe(201);
    expect(access.calls.findLast(({ what }) => what === 'play')?.fields).toMatchObject({
      name: 'ticket-7',
      fields: { published: false },
    });
    await fetch(fixture.url(sessionOf(response).location), { method: 'DELETE' });
    expect(told().slice(-3)).toEqual([
      'stopping',
      ['ended', 'STOPPED', 'Stopped by user'],
      ['end', 'the client ended it'],
    ]);
  });

  it('hears that there is no stream, and so does the back end', async () => {
    expect((await fixture.offer('/whep/none')).status).toBe(404);
    expect(told().slice(-2)).toEqual([
      ['ended', 'FAILED', 'Stream not found'],
      ['end', 'Stream not found'],
    ]);
  });
});

describe('while the back end is asked', () => {
  it.each([
    ['connect', ['connect', ['end', 'the client left before it had the answer']]],
    [
      'publish',
      [
        'connect',
        'established',
        'publish',
        ['ended', 'UNPUBLISHED', 'Stopped by session disconnect'],
        ['end', 'the client left before it had the answer'],
      ],
    ],
  ])('its client may leave (%s)', async (question, expected) => {
    const give = held(question);
    const abort = new AbortController();
    const pending = fixture.offer('/whip/cam', { signal: abort.signal });
    await until(() => expect(access.whats.at(-1)).toBe(question));
    abort.abort();
    await expect(pending).rejects.toThrow();
    await until(() => expect(fixture.whip.sessionCount).toBe(0));
    const before = access.calls.length;
    give();
    await until(() => expect(access.calls.length).toBeGreaterThan(before));
    expect(told()).toEqual(expected);
    expect(fixture.gateway.requests).toEqual([]);
  });

  it('its client may leave, and a refusal comes to nobody', async () => {
    const give = held('publish');
    const abort = new AbortController();
    const pending = fixture.offer('/whip/cam', { signal: abort.signal });
    await until(() => expect(access.whats.at(-1)).toBe('publish'));
    abort.abort();
    await expect(pending).rejects.toThrow();
    await until(() => expect(fixture.whip.sessionCount).toBe(0));
    give({ deny: 'no' });
    await until(() => expect(told().slice(3)).toEqual([['end', 'the client left before it had the answer']]));
    expect(fixture.log.lines).toEqual([]);
  });

  it('the server may stop at once', async () => {
    const give = held('publish');
    const pending = fixture.offer('/whip/cam');
    await until(() => expect(access.whats.at(-1)).toBe('publish'));
    await fixture.whip.close();
    expect((await pending).status).toBe(503);
    give();
    await until(() =>
      expect(told().slice(3)).toEqual([
        ['ended', 'UNPUBLISHED', 'Requested stream shutdown'],
        ['end', 'the server stops'],
      ]),
    );
  });
});

describe('a page of a domain that is not allowed', () => {
  it('gets 403 for its offer, and the session of another can be ended by its address only', async () => {
    await restart({ allowsOrigin: (origin) => origin !== 'http://other.example' });
    const headers = { origin: 'http://other.example' };
    const response = await fixture.offer('/whip/cam', { headers });
    expect(response.status).toBe(403);
    expect(access.calls).toEqual([]);
    expect(fixture.counters.of('whip_refused')).toBe(1);
    const { location } = sessionOf(await fixture.offer('/whip/cam'));
    const guess = location.slice(0, -22) + 'A'.repeat(22);
    expect((await fetch(fixture.url(guess), { method: 'DELETE' })).status).toBe(404);
    expect(fixture.whip.sessionCount).toBe(1);
  });
});

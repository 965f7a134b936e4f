import { once } from 'node:events';
import { connect } from 'node:net';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { prng } from '../../../../../media/src/testing/mutate.ts';
import { MediaServerError, OPEN_ACCESS } from '../../../core/index.ts';
import { WhipMount } from './index.ts';
import { ScriptedGateway } from './testing/scripted-gateway.ts';
import { CLIENT_ICE, OFFER, sessionOf, WhipFixture } from './testing/whip-fixture.ts';

let fixture: WhipFixture;

beforeEach(async () => {
  fixture = await WhipFixture.start();
});

afterEach(() => fixture.close());

const FRAGMENT = `a=ice-ufrag:${CLIENT_ICE.ufrag}\r\na=ice-pwd:${CLIENT_ICE.pwd}\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\na=candidate:1 1 udp 1 192.0.2.1 9 typ host\r\n`;
const RESTART = FRAGMENT.replace(CLIENT_ICE.ufrag, 'newU').replace(CLIENT_ICE.pwd, 'newPasswordOfTheClient00');

describe('a session', () => {
  it('ends with DELETE, and is not there any more', async () => {
    const { location, etag } = sessionOf(await fixture.offer('/whip/cam'));
    const response = await fetch(fixture.url(location), { method: 'DELETE' });
    expect([response.status, await response.text()]).toEqual([200, '']);
    expect(fixture.gateway.running).toHaveLength(0);
    expect((await fetch(fixture.url(location), { method: 'DELETE' })).status).toBe(404);
    expect((await fixture.patch(location, FRAGMENT, etag)).status).toBe(404);
  });

  it('ends with its peer', async () => {
    const { location, etag } = sessionOf(await fixture.offer('/whip/cam'));
    fixture.gateway.peers[0]?.end('ice_keep_alive', 'no check for 30 s');
    expect(fixture.whip.sessionCount).toBe(0);
    expect((await fixture.patch(location, FRAGMENT, etag)).status).toBe(404);
  });

  it('is not made when its client leaves before the answer', async () => {
    let go = (): void => {};
    fixture.gateway.hold = new Promise((resolve) => {
      go = resolve;
    });
    const abort = new AbortController();
    const pending = fixture.offer('/whip/cam', { signal: abort.signal });
    await vi.waitFor(() => expect(fixture.gateway.requests).toHaveLength(1));
    abort.abort();
    await expect(pending).rejects.toThrow();
    await vi.waitFor(() => expect(fixture.gateway.requests[0]?.signal?.aborted).toBe(true));
    go();
    await vi.waitFor(() => expect(fixture.whip.sessionCount).toBe(0));
    expect(fixture.gateway.running).toHaveLength(0);
    expect(fixture.log.lines).toEqual([]);
  });

  it('whose peer comes after its client left is closed', async () => {
    // A gateway that does not look at the signal.
    const original = fixture.gateway.publish.bind(fixture.gateway);
    let go = (): void => {};
    const held = new Promise<void>((resolve) => {
      go = resolve;
    });
    fixture.gateway.publish = async ({ signal, ...request }) => {
      const peer = await original(request);
      fixture.gateway.requests.splice(0, 1, { ...request, signal });
      await held;
      return peer;
    };
    const abort = new AbortController();
    const pending = fixture.offer('/whip/cam', { signal: abort.signal });
    await vi.waitFor(() => expect(fixture.gateway.peers).toHaveLength(1));
    abort.abort();
    await expect(pending).rejects.toThrow();
    await vi.waitFor(() => expect(fixture.gateway.requests[0]?.signal?.aborted).toBe(true));
    go();
    await vi.waitFor(() => expect(fixture.gateway.running).toHaveLength(0));
  });

  it('whose peer ended while it was made is answered with 503', async () => {
    const original = fixture.gateway.publish.bind(fixture.gateway);
    fixture.gateway.publish = async (request) => {
      const peer = await original(request);
      fixture.gateway.peers[0]?.end('terminated', 'by the operator');
      return peer;
    };
    const response = await fixture.offer('/whip/cam');
    expect(response.status).toBe(503);
    expect(await response.json()).toMatchObject({ message: 'terminated: by the operator' });
  });
});

describe('a change of a session', () => {
  it('with candidates is taken with 204', async () => {
    const { location, etag } = sessionOf(await fixture.offer('/whip/cam'));
    for (const [body, match] of [
      [FRAGMENT, etag],
      [FRAGMENT, '*'],
      ['a=end-of-candidates\r\n', `"other", ${etag}`],
      ['', etag],
    ] as const) {
      const response = await fixture.patch(location, body, match);
      expect([response.status, await response.text()]).toEqual([204, '']);
    }
    expect(fixture.gateway.peers[0]?.restarts).toEqual([]);
  });

  it('with new credentials restarts ICE, and the session has a new tag', async () => {
    const { location, etag } = sessionOf(await fixture.offer('/whip/cam'));
    const response = await fixture.patch(location, RESTART, '*');
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toBe('application/trickle-ice-sdpfrag');
    expect(await response.text()).toBe(
      [
        'a=group:BUNDLE 0 1',
        'a=ice-lite',
        'm=audio 31001 UDP/TLS/RTP/SAVPF 111',
        'a=mid:0',
        'a=ice-ufrag:server1',
        'a=ice-pwd:anotherPasswordOfTheServer',
        'a=candidate:1 1 udp 2130706431 203.0.113.5 31001 typ host',
        'a=end-of-candidates',
        '',
      ].join('\r\n'),
    );
    expect(fixture.gateway.peers[0]?.restarts).toEqual([{ ufrag: 'newU', pwd: 'newPasswordOfTheClient00' }]);
    const newTag = sessionOf(response).etag;
    expect(newTag).not.toBe(etag);
    expect((await fixture.patch(location, RESTART, etag)).status).toBe(412);
    expect((await fixture.patch(location, RESTART, newTag)).status).toBe(204);
    expect(fixture.gateway.peers[0]?.restarts).toHaveLength(1);
  });

  it('without a tag gets 428, with a wrong one or a weak one 412', async () => {
    const { location, etag } = sessionOf(await fixture.offer('/whip/cam'));
    expect((await fixture.patch(location, FRAGMENT)).status).toBe(428);
    expect((await fixture.patch(location, RESTART, '"wrong"')).status).toBe(412);
    expect((await fixture.patch(location, RESTART, `W/${etag}`)).status).toBe(412);
    expect(fixture.gateway.peers[0]?.restarts).toEqual([]);
  });

  it.each([
    ['a=ice-ufrag:newU\r\n', 400],
    ['a=ice-ufrag:newU\r\na=ice-pwd:short\r\n', 400],
    ['hello', 400],
    ['x'.repeat(70_000), 413],
  ])('that can not be read gets an error (%#)', async (body, status) => {
    const { location } = sessionOf(await fixture.offer('/whip/cam'));
    const response = await fixture.patch(location, body, '*');
    expect(response.status).toBe(status);
    expect(await response.json()).toMatchObject({ status });
    expect(fixture.whip.sessionCount).toBe(1);
  });

  it('of another type gets 415', async () => {
    const { location } = sessionOf(await fixture.offer('/whip/cam'));
    const headers = { 'content-type': 'application/sdp', 'if-match': '*' };
    const response = await fetch(fixture.url(location), { method: 'PATCH', body: OFFER, headers });
    expect([response.status, response.headers.get('accept-patch')]).toEqual([415, 'application/trickle-ice-sdpfrag']);
  });

  it('of nothing gets 404', async () => {
    expect((await fixture.patch('/whip/cam', FRAGMENT, '*')).status).toBe(404);
    expect((await fixture.patch('/whip/cam/unknown', FRAGMENT, '*')).status).toBe(404);
  });
});

describe('the mount', () => {
  it('ends all sessions when it closes, and takes no others', async () => {
    await fixture.offer('/whip/cam');
    await fixture.offer('/whep/cam');
    expect(fixture.gateway.running).toHaveLength(2);
    await Promise.all([fixture.whip.close(), fixture.whip.close(), fixture.whep.close()]);
    expect(fixture.gateway.running).toHaveLength(0);
    expect((await fixture.offer('/whip/cam')).status).toBe(503);
  });

  it('does not wait for bodies when it closes', async () => {
    const socket = connect(fixture.port, '127.0.0.1');
    // The interim answer tells that the request has begun.
    const head = ['POST /whip/cam HTTP/1.1', 'Host: x', 'Content-Type: application/sdp', 'Expect: 100-continue'];
    socket.write(`${head.join('\r\n')}\r\nContent-Length: 50\r\n\r\n`);
    expect(String(await once(socket, 'data'))).toMatch(/^HTTP\/1\.1 100 /);
    const answered = once(socket, 'data');
    await fixture.whip.close();
    expect(String(await answered)).toMatch(/^HTTP\/1\.1 503 /);
    socket.destroy();
  });

  it('aborts what is being set up when it closes', async () => {
    let go = (): void => {};
    fixture.gateway.hold = new Promise((resolve) => {
      go = resolve;
    });
    const pending = fixture.offer('/whip/cam');
    await vi.waitFor(() => expect(fixture.gateway.requests).toHaveLength(1));
    const closed = fixture.whip.close();
    expect(fixture.gateway.requests[0]?.signal?.aborted).toBe(true);
    go();
    await closed;
    expect((await pending).status).toBe(503);
  });

  it('refuses headers that can not be sent at the door', () => {
    const { log, counters, sessions } = fixture;
    const deps = { gateway: new ScriptedGateway(''), log, counters, sessions, access: OPEN_ACCESS };
    expect(() => new WhipMount('play', deps, { headers: [['Bad Name', 'x']] })).toThrow(MediaServerError);
  });

  it('answers any method, path and header, and lives on', async () => {
    const random = prng(9725);
    const pick = <T>(all: readonly T[]): T => all[Math.floor(random() * all.length)] as T;
    const { location } = sessionOf(await fixture.offer('/whip/seed'));
    for (let round = 0; round < 300; round++) {
      const method = pick(['POST', 'PATCH', 'DELETE', 'OPTIONS', 'PUT', 'GET', 'HEAD']);
      const path = pick([
        `/whip/x${round}`,
        '/whip/',
        '/whep/%ff',
        '/whip//',
        `${location}/`,
        `/whip/a?${'a=b&'.repeat(90)}`,
        '/whep/seed',
      ]);
      const headers = {
        'content-type': pick(['application/sdp', 'application/trickle-ice-sdpfrag', ';', '']),
        'if-match': pick(['*', '"x"', ',', '']),
        authorization: pick(['Bearer', 'Bearer  x ', 'Basic eA==', '']),
      };
      const body = method === 'GET' || method === 'HEAD' ? null : pick([OFFER, FRAGMENT, '', '\u0000']);
      const { status } = await fetch(fixture.url(path), { method, headers, body });
      expect([200, 201, 204, 400, 404, 405, 409, 412, 415, 428]).toContain(status);
    }
    expect((await fixture.patch(location, FRAGMENT, '*')).status).toBe(204);
  });
});

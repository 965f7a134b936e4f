import { createHash } from 'node:crypto';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { RelayRig } from '../testing/relay-rig.ts';
import { type Script, ScriptedServer } from '../testing/scripted-server.ts';

const SECRET = 'p@ss word';
const md5 = (text: string) => createHash('md5').update(text).digest();

let server: ScriptedServer;
let rig: RelayRig;

afterEach(async () => {
  await rig.close();
  await server.stop();
});

/** A server that takes one user, as Flash Media Server and Wowza do; `accepts` checks the last step. */
function guarded(scheme: string, challenge: string, accepts: (fields: URLSearchParams) => boolean): Script {
  return ({ name, id }, peer) => {
    if (name !== 'connect') return false;
    const app = peer.told('app');
    const fields = new URLSearchParams(app.replace(/^[^?]*\?/, '').replaceAll('+', '%2B'));
    if (!app.includes('authmod'))
      peer.refuse(id, `[ AccessManager.Reject ] : [ code=403 need auth; authmod=${scheme} ] : `);
    else if (fields.get('user') !== 'me')
      peer.refuse(id, `[ AccessManager.Reject ] : [ authmod=${scheme} ] : ?reason=nosuchuser`);
    else if (!fields.has('response'))
      peer.refuse(id, `[ AccessManager.Reject ] : [ authmod=${scheme} ] : ?reason=needauth&${challenge}`);
    else if (!accepts(fields))
      peer.refuse(id, `[ AccessManager.Reject ] : [ authmod=${scheme} ] : ?reason=authfailed&opaque=vgoAAA==`);
    else return false;
    return true;
  };
}

const ADOBE = guarded('adobe', 'user=me&salt=iHZkjQ==&challenge=vgoAAA==&opaque=vgoAAA==', (fields) => {
  const secret = md5(`meiHZkjQ==${SECRET}`).toString('base64');
  const wanted = md5(`${secret}vgoAAA==${fields.get('challenge')}`).toString('base64');
  return fields.get('response') === wanted && fields.get('opaque') === 'vgoAAA==';
});

const LLNW = guarded('llnw', 'user=me&nonce=abc', (fields) => {
  const who = md5(`me:live:${SECRET}`).toString('hex');
  const what = md5('publish:/live/_definst_').toString('hex');
  const wanted = md5(`${who}:abc:00000001:${fields.get('cnonce')}:auth:${what}`).toString('hex');
  return fields.get('response') === wanted && fields.get('nc') === '00000001';
});

function told(): string {
  return JSON.stringify([rig.hub.log.lines, rig.tried.map(({ end, notes }) => [end, notes])]);
}

async function push(script: Script, login: string) {
  server = await ScriptedServer.start(script);
  rig = new RelayRig();
  return rig.push(rig.stream('cam'), `rtmp://${login}127.0.0.1:${server.port}/live`);
}

describe('a server that wants name and password', () => {
  it.each([
    ['adobe', ADOBE],
    ['llnw', LLNW],
  ])('gets them by its own scheme (%s), on a new connection each time', async (_name, script) => {
    const tried = await push(script, `me:${encodeURIComponent(SECRET)}@`);
    await vi.waitFor(() => expect(tried.connected).toBe(1));
    expect(server.peers).toHaveLength(3);
    expect(server.peers.map((peer) => peer.told('tcUrl'))).not.toContainEqual(expect.stringContaining(SECRET));
    expect(server.peers[2]?.told('tcUrl')).toMatch(/^rtmp:\/\/127\.0\.0\.1:\d+\/live\?authmod=/);
    expect(server.peers[2]?.heard.find(({ name }) => name === 'publish')?.args).toEqual([null, 'rtmp_cam', 'live']);
  });

  it.each([
    ['a wrong password', 'me:wrong-one@', 'does not take name and password'],
    ['an unknown user', 'you:wrong-one@', 'no such user'],
    ['no credentials', '', 'wants a name and password'],
  ])('refuses %s, and nothing of it is told', async (_what, login, words) => {
    const tried = await push(ADOBE, login);
    await vi.waitFor(() => expect(tried.end?.code).toBe('refused'));
    expect(tried.end?.message).toContain(words);
    expect(told()).not.toMatch(/wrong-one|vgoAAA/);
    expect(tried.connected).toBe(0);
  });

  it('is not asked for ever when it always wants more', async () => {
    const tried = await push(({ name, id }, peer) => {
      if (name !== 'connect') return false;
      peer.refuse(id, '[ authmod=adobe ] : ?reason=needauth&salt=1&challenge=2');
      return true;
    }, 'me:secret-word@');
    await vi.waitFor(() => expect(tried.end?.code).toBe('refused'));
    expect(server.peers.length).toBeLessThan(10);
  });

  it('with a scheme that nobody knows is refused with its name', async () => {
    const tried = await push(({ id }, peer) => {
      peer.refuse(id, '[ code=403 need auth; authmod=kerberos ]');
      return true;
    }, 'me:x@');
    await vi.waitFor(() => expect(tried.end?.message).toContain('kerberos'));
  });
});

describe('a server that sends its clients elsewhere', () => {
  it('is followed to an address that was asked for, without credentials', async () => {
    const other = await ScriptedServer.start();
    const tried = await push(({ name, id }, peer) => {
      if (name !== 'connect') return false;
      peer.refuse(id, 'moved', { ex: { code: 302, redirect: other.url('app2') } });
      return true;
    }, 'me:secret@');
    await vi.waitFor(() => expect(tried.connected).toBe(1));
    expect(other.peers[0]?.connect).toMatchObject({ app: 'app2', tcUrl: other.url('app2') });
    expect(rig.resolved).toEqual([`rtmp://127.0.0.1:${server.port}/`, `rtmp://127.0.0.1:${other.port}/`]);
    await tried.close();
    await other.stop();
  });

  it('is not followed to an address that is denied', async () => {
    const tried = await push(({ id }, peer) => {
      rig.resolve = () => {
        throw new Error('denied');
      };
      peer.refuse(id, 'moved', { ex: { code: 302, redirect: 'rtmp://169.254.169.254/app2' } });
      return true;
    }, '');
    await vi.waitFor(() => expect(tried.end?.message).toBe('denied'));
  });
});

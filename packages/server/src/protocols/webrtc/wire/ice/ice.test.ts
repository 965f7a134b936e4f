import { randomBytes } from 'node:crypto';
import { beforeEach, describe, expect, it } from 'vitest';
import { prng } from '../../../../../../media/src/testing/mutate.ts';
import { isIntegrityRight, readStun, type StunMessage, StunWriter } from '../stun/index.ts';
import { createIceCredentials, type IceCredentials } from './credentials.ts';
import { IceLiteAgent, type IcePath } from './ice-lite-agent.ts';

const CONSENT_MS = 30_000;
const REMOTE = { ufrag: 'remote', pwd: 'remote-password-of-22c' };

interface CheckOptions {
  readonly credentials?: IceCredentials;
  readonly nominate?: boolean;
  readonly nowMs?: number;
  readonly datagram?: Buffer;
}

let log: string[];
let local: IceCredentials;
let agent: IceLiteAgent<IcePath>;

beforeEach(() => {
  log = [];
  local = createIceCredentials();
  agent = new IceLiteAgent({
    local,
    remote: REMOTE,
    consentTimeoutMs: CONSENT_MS,
    maxPaths: 4,
    onPathAdded: (path) => log.push(`added ${path.port}`),
    onPathRemoved: (path) => log.push(`removed ${path.port}`),
    onPathChanged: (path) => log.push(`to ${path?.port}`),
    onCredentialsRetired: ({ ufrag }) => log.push(`retired ${ufrag}`),
  });
});

function pathAt(port: number, address = '192.0.2.1'): IcePath {
  return { via: 'udp', address, port, send: () => true };
}

function checkOf(o: CheckOptions = {}): Buffer {
  const { ufrag, pwd } = o.credentials ?? local;
  const writer = new StunWriter('request', randomBytes(12))
    .username(`${ufrag}:remote`)
    .priority(1)
    .role('controlling', 7n);
  if (o.nominate === true) writer.useCandidate();
  return writer.finish(pwd);
}

/** Gives the answer; undefined for none. */
function receive(path: IcePath, o: CheckOptions = {}): StunMessage | undefined {
  const datagram = o.datagram ?? checkOf(o);
  const message = readStun(datagram);
  const answer = message && agent.receive(message, datagram, { path, nowMs: o.nowMs ?? 0 });
  return answer && readStun(answer);
}

describe('an ICE lite agent', () => {
  it('answers an authentic check with the address that it came from, signed with its own password', () => {
    const path = pathAt(5000, '2001:db8:0:0:0:0:0:1');
    const datagram = checkOf();
    const message = readStun(datagram) as StunMessage;
    const answer = agent.receive(message, datagram, { path, nowMs: 0 }) as Buffer;
    const read = readStun(answer) as StunMessage;
    expect(read).toMatchObject({ class: 'success', mappedAddress: { address: path.address, port: 5000 } });
    expect(read.transactionId.equals(message.transactionId)).toBe(true);
    expect(isIntegrityRight(answer, read, local.pwd)).toBe(true);
    expect(read.hasFingerprint).toBe(true);
  });

  it('is silent to a wrong password, a wrong name, no integrity, an answer and an indication', () => {
    const path = pathAt(1);
    expect(receive(path, { credentials: { ...local, pwd: 'wrong' } })).toBeUndefined();
    expect(receive(path, { credentials: { ...local, ufrag: 'other' } })).toBeUndefined();
    expect(receive(path, { credentials: { ufrag: '', pwd: local.pwd } })).toBeUndefined();
    const whole = checkOf();
    const bare = Buffer.from(whole.subarray(0, whole.length - 32));
    bare.writeUInt16BE(bare.length - 20, 2);
    expect(readStun(bare)).toBeDefined();
    expect(receive(path, { datagram: bare })).toBeUndefined();
    for (const kind of ['success', 'indication', 'error'] as const) {
      const other = new StunWriter(kind, randomBytes(12)).username(`${local.ufrag}:remote`).finish(local.pwd);
      expect(receive(path, { datagram: other })).toBeUndefined();
    }
    expect(agent.counters).toEqual({ unauthentic: 4, replayed: 0, refused: 0, tooMany: 0 });
    expect([log, agent.selected, agent.lastCheckMs]).toEqual([[], undefined, undefined]);
  });

  it('uses the first path until one is nominated, and then the one nominated last', () => {
    const [a, b, c] = [pathAt(1), pathAt(2), pathAt(3)];
    receive(a);
    receive(b);
    expect([agent.selected, agent.nominated]).toEqual([a, false]);
    receive(b, { nominate: true });
    expect([agent.selected, agent.nominated]).toEqual([b, true]);
    receive(a);
    receive(c);
    expect(agent.selected).toBe(b);
    receive(c, { nominate: true });
    receive(b);
    receive(c, { nominate: true });
    expect(agent.selected).toBe(c);
    expect(log).toEqual(['added 1', 'to 1', 'added 2', 'to 2', 'added 3', 'to 3']);
  });

  it('does not move for a check that is repeated from another address, but answers its own peer again', () => {
    const [peer, thief] = [pathAt(1), pathAt(2)];
    const datagram = checkOf({ nominate: true });
    receive(peer, { datagram });
    expect(receive(thief, { datagram })).toBeUndefined();
    expect(receive(pathAt(1, '192.0.2.99'), { datagram })).toBeUndefined();
    expect(receive(peer, { datagram })).toMatchObject({ class: 'success' });
    expect([agent.selected, agent.counters.replayed, agent.paths]).toEqual([peer, 2, [peer]]);
  });

  it('moves back with the next check of the peer when an old check was repeated that it had forgotten', () => {
    const [peer, thief] = [pathAt(1), pathAt(2)];
    const datagram = checkOf({ nominate: true });
    receive(peer, { datagram });
    for (let i = 1; i <= 256; i++) receive(peer, { nowMs: i * 50 });
    receive(thief, { datagram, nowMs: 13_000 });
    expect(agent.selected).toBe(thief);
    receive(peer, { nominate: true, nowMs: 13_100 });
    expect(agent.selected).toBe(peer);
  });

  it('answers 420 with the attributes that it does not know, and does not take the path', () => {
    const request = new StunWriter('request', randomBytes(12))
      .username(`${local.ufrag}:remote`)
      .attribute(0x7fff, Buffer.alloc(2))
      .useCandidate();
    const answer = receive(pathAt(1), { datagram: request.finish(local.pwd) });
    expect(answer).toMatchObject({ class: 'error', errorCode: 420 });
    expect([agent.selected, agent.counters.refused]).toEqual([undefined, 1]);
  });

  it('answers 487 to a peer that wants to be controlled, and does not take the path', () => {
    const request = new StunWriter('request', randomBytes(12)).username(`${local.ufrag}:remote`).role('controlled', 0n);
    const answer = receive(pathAt(1), { datagram: request.finish(local.pwd) });
    expect(answer).toMatchObject({ class: 'error', errorCode: 487 });
    expect([agent.selected, agent.counters.refused]).toEqual([undefined, 1]);
  });

  it('follows a peer that is moved by its NAT and does not nominate anew, once its former path is silent', () => {
    const [a, b] = [pathAt(1), pathAt(2)];
    receive(a, { nowMs: 0, nominate: true });
    receive(b, { nowMs: 3000 });
    receive(a, { nowMs: 5000 });
    receive(b, { nowMs: 8000 });
    expect(agent.selected).toBe(a);
    receive(b, { nowMs: 10_000 });
    expect(agent.selected).toBe(b);
    receive(a, { nowMs: 10_001, nominate: true });
    expect(agent.selected).toBe(a);
  });

  it('loses consent of a path without checks, and goes to the one that was heard last', () => {
    const [a, b, c] = [pathAt(1), pathAt(2), pathAt(3)];
    receive(c, { nowMs: 0 });
    receive(a, { nowMs: 1, nominate: true });
    receive(b, { nowMs: 3000 });
    expect(agent.tick(CONSENT_MS)).toBe(true);
    expect(agent.selected).toBe(a);
    log.length = 0;
    expect(agent.tick(CONSENT_MS + 2)).toBe(true);
    expect(agent.selected).toBe(b);
    expect(log).toEqual(['removed 3', 'removed 1', 'to 2']);
    expect(agent.tick(3000 + CONSENT_MS + 1)).toBe(false);
    expect([agent.selected, agent.paths]).toEqual([undefined, []]);
    receive(c, { nowMs: 90_000 });
    expect(agent.selected).toBe(c);
  });

  it('has nothing to send to before the first check', () => {
    expect(agent.tick(0)).toBe(false);
    expect(log).toEqual([]);
  });

  it('keeps consent as long as authentic checks come, and no other', () => {
    const path = pathAt(1);
    for (let nowMs = 0; nowMs <= 300_000; nowMs += 25_000) {
      receive(path, { nowMs });
      expect(agent.tick(nowMs)).toBe(true);
    }
    receive(path, { nowMs: 325_000, credentials: { ...local, pwd: 'wrong' } });
    expect(agent.tick(330_001)).toBe(false);
    expect(agent.lastCheckMs).toBe(300_000);
  });

  it('answers no more checks in a second than a browser has reason to send', () => {
    for (let i = 0; i < 1000; i++) receive(pathAt(1), { nowMs: i });
    expect(agent.counters.tooMany).toBe(900);
    expect(receive(pathAt(1), { nowMs: 1000 })).toMatchObject({ class: 'success' });
  });

  it('takes whatever a peer signs: any attributes, any number of them, and answers within its bounds', () => {
    const random = prng(8445);
    const types = [0x06, 0x08, 0x09, 0x0a, 0x20, 0x24, 0x25, 0x8028, 0x8029, 0x802a, 0x7abc, 0xc057];
    let [answered, nowMs] = [0, 0];
    for (let i = 0; i < 5000; i++) {
      const writer = new StunWriter('request', randomBytes(12));
      if (random() < 0.9) writer.username(`${local.ufrag}:${'x'.repeat(random() * 40)}`);
      for (let n = Math.floor(random() * 5); n > 0; n--) {
        const length = random() < 0.6 ? ([0, 4, 8][Math.floor(random() * 3)] as number) : Math.floor(random() * 300);
        writer.attribute(types[Math.floor(random() * types.length)] as number, randomBytes(length));
      }
      const datagram = writer.finish(local.pwd);
      const message = readStun(datagram);
      nowMs += 20;
      const path = pathAt(1 + (i % 50));
      const answer = message && agent.receive(message, datagram, { path, nowMs });
      if (answer === undefined) continue;
      answered++;
      expect(answer.length).toBeLessThan(140);
    }
    expect(answered).toBeGreaterThan(500);
    expect(agent.paths.length).toBeLessThanOrEqual(4);
  });

  it('forgets a path that became another peer’s', () => {
    const [a, b] = [pathAt(1), pathAt(2)];
    receive(a);
    receive(b, { nominate: true });
    agent.forget(b);
    agent.forget(pathAt(9));
    expect([agent.selected, agent.paths]).toEqual([a, [a]]);
  });

  it('knows only so many paths: the most silent goes, never the selected one', () => {
    const selected = pathAt(1);
    receive(selected, { nowMs: 0, nominate: true });
    for (let port = 2; port < 1000; port++) {
      receive(pathAt(port), { nowMs: port * 20 });
      if (port % 100 === 0) receive(selected, { nowMs: port * 20 });
    }
    expect(agent.selected).toBe(selected);
    expect(agent.paths.map((path) => path.port)).toEqual([1, 997, 998, 999]);
    expect(log.filter((line) => line.startsWith('removed'))).toHaveLength(995);
  });

  it('takes both credentials after a restart until the new ones nominate', () => {
    const [oldPath, newPath] = [pathAt(1), pathAt(2)];
    receive(oldPath, { nominate: true });
    const next = createIceCredentials();
    agent.restart(next, { ufrag: 'remote2', pwd: 'x' });
    expect([agent.local, agent.remote.ufrag]).toEqual([next, 'remote2']);
    expect(receive(oldPath, { nominate: true })).toMatchObject({ class: 'success' });
    expect(receive(newPath, { credentials: next })).toMatchObject({ class: 'success' });
    expect(agent.selected).toBe(oldPath);
    expect(receive(newPath, { credentials: next, nominate: true })).toMatchObject({ class: 'success' });
    expect(agent.selected).toBe(newPath);
    expect(log).toContain(`retired ${local.ufrag}`);
    expect(receive(oldPath, { nominate: true })).toBeUndefined();
    expect(receive(newPath, { credentials: next, nominate: true })).toMatchObject({ class: 'success' });
    expect(log).not.toContain(`retired ${next.ufrag}`);
    expect([agent.selected, agent.local]).toEqual([newPath, next]);
  });

  it('forgets a restart that the peer never went over to when there is another', () => {
    const [second, third] = [createIceCredentials(), createIceCredentials()];
    agent.restart(second, REMOTE);
    agent.restart(third, REMOTE);
    expect(log).toEqual([`retired ${second.ufrag}`]);
    expect(receive(pathAt(1), { credentials: second })).toBeUndefined();
    expect(receive(pathAt(1))).toBeDefined();
    expect(receive(pathAt(1), { credentials: third, nominate: true })).toBeDefined();
    expect(log).toContain(`retired ${local.ufrag}`);
  });

  it('gives up its paths and credentials when it is closed', () => {
    receive(pathAt(1));
    receive(pathAt(2));
    const next = createIceCredentials();
    agent.restart(next, REMOTE);
    log.length = 0;
    agent.close();
    expect(log).toEqual(['removed 1', 'removed 2', `retired ${local.ufrag}`, `retired ${next.ufrag}`]);
    expect(agent.tick(0)).toBe(false);
  });
});

describe('ICE credentials', () => {
  it('are of the alphabet and the lengths that RFC 8839 §5.4 wants, and differ', () => {
    const all = Array.from({ length: 1000 }, createIceCredentials);
    for (const { ufrag, pwd } of all) {
      expect(ufrag).toMatch(/^[A-Za-z0-9+/]{8}$/);
      expect(pwd).toMatch(/^[A-Za-z0-9+/]{24}$/);
    }
    expect(new Set(all.flatMap(({ ufrag, pwd }) => [ufrag, pwd])).size).toBe(2000);
  });

  it('tells how often it was asked by which path, which one was chosen, and those that are gone', () => {
    const [first, second] = [pathAt(1), pathAt(2)];
    receive(first, { nowMs: 10 });
    receive(second, { nowMs: 20, nominate: true });
    receive(second, { nowMs: 30 });
    expect(agent.facts).toMatchObject({ firstCheckMs: 10, lastCheckMs: 30, restarts: 0, unauthentic: 0 });
    expect(agent.facts.paths).toEqual([
      {
        via: 'udp',
        address: '192.0.2.1',
        port: 1,
        checks: 1,
        lastCheckMs: 10,
        nominated: false,
        gone: false,
        selected: false,
      },
      {
        via: 'udp',
        address: '192.0.2.1',
        port: 2,
        checks: 2,
        lastCheckMs: 30,
        nominated: true,
        gone: false,
        selected: true,
      },
    ]);
    receive(pathAt(3), { nowMs: 40, credentials: { ...local, pwd: 'another-password-of-22' } });
    agent.restart(createIceCredentials(), REMOTE);
    agent.tick(CONSENT_MS + 100);
    expect(agent.facts).toMatchObject({ restarts: 1, unauthentic: 1 });
    expect(agent.facts.paths.map(({ port, gone, selected }) => [port, gone, selected])).toEqual([
      [1, true, false],
      [2, true, false],
    ]);
  });

  it('remembers few of the paths that are gone', () => {
    for (let i = 0; i < 40; i++) receive(pathAt(100 + i), { nowMs: i * 20 });
    const { paths } = agent.facts;
    expect(paths.filter(({ gone }) => !gone)).toHaveLength(4);
    expect(paths.filter(({ gone }) => gone)).toHaveLength(4);
  });
});

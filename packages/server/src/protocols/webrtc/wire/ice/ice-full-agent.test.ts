import { describe, expect, test } from 'vitest';
import { isIntegrityRight, readStun, type StunMessage, StunWriter } from '../stun/index.ts';
import { createIceCredentials } from './credentials.ts';
import { IceFullAgent } from './ice-full-agent.ts';
import { IceLiteAgent, type IcePath } from './ice-lite-agent.ts';

/** One address of the peer, and all that was sent there. */
class Path implements IcePath {
  readonly via = 'udp';
  readonly sent: Buffer[] = [];
  readonly address: string;
  readonly port: number;

  constructor(port: number, address = '192.0.2.1') {
    this.address = address;
    this.port = port;
  }

  send(datagram: Buffer): boolean {
    this.sent.push(Buffer.from(datagram));
    return true;
  }

  take(): Buffer[] {
    return this.sent.splice(0);
  }

  get checks(): StunMessage[] {
    return this.sent.flatMap((datagram) => readStun(datagram) ?? []);
  }
}

const local = createIceCredentials();
const remote = createIceCredentials();
const NOBODY = { onPathAdded: () => {}, onPathRemoved: () => {}, onCredentialsRetired: () => {} };

function fullAgent(of: { readonly own?: typeof local; readonly peer?: typeof remote } = {}) {
  const changes: (Path | undefined)[] = [];
  const agent = new IceFullAgent<Path>({
    local: of.own ?? local,
    remote: of.peer ?? remote,
    consentTimeoutMs: 10_000,
    maxPaths: 8,
    onPathChanged: (path) => changes.push(path),
  });
  return { agent, changes };
}

function liteAgent() {
  const changes: (Path | undefined)[] = [];
  const options = { local: remote, remote: local, consentTimeoutMs: 30_000, maxPaths: 8, ...NOBODY };
  return { agent: new IceLiteAgent<Path>({ ...options, onPathChanged: (path) => changes.push(path) }), changes };
}

type Agent = Pick<IceFullAgent<Path>, 'receive'>;

/** Brings what was sent by `from` to `to`, where it comes by the path `at`; answers go back the same way. */
function deliver(
  from: { readonly path: Path; readonly agent: Agent },
  to: { readonly at: Path; readonly agent: Agent },
  nowMs: number,
): void {
  for (const datagram of from.path.take()) {
    const answer = to.agent.receive(readStun(datagram) as StunMessage, datagram, { path: to.at, nowMs });
    if (answer !== undefined) from.agent.receive(readStun(answer) as StunMessage, answer, { path: from.path, nowMs });
  }
}

/** Answers the checks that wait on a path, as the peer would. */
function succeed(agent: Agent, path: Path, nowMs: number): void {
  for (const datagram of path.take()) {
    const { transactionId } = readStun(datagram) as StunMessage;
    const answer = new StunWriter('success', transactionId).xorMappedAddress(path).finish(remote.pwd);
    agent.receive(readStun(answer) as StunMessage, answer, { path, nowMs });
  }
}

describe('towards a lite agent, which answers only', () => {
  test('a way is used as soon as it is proved, and nominated after that', () => {
    const { agent, changes } = fullAgent();
    const lite = liteAgent();
    const path = new Path(1);
    agent.addCandidate(path, 100);
    agent.tick(0);
    expect(path.checks).toMatchObject([
      { username: `${remote.ufrag}:${local.ufrag}`, role: 'controlling', useCandidate: false },
    ]);
    deliver({ path, agent }, { at: new Path(9), agent: lite.agent }, 1);
    expect(changes).toEqual([path]);
    expect(agent.nominated).toBe(false);
    agent.tick(60);
    expect(path.checks).toMatchObject([{ useCandidate: true }]);
    deliver({ path, agent }, { at: new Path(9), agent: lite.agent }, 61);
    expect([agent.nominated, lite.agent.nominated, changes.length]).toEqual([true, true, 1]);
  });

  test('checks are repeated until one is answered, each after half a second or one, and never two within 50 ms', () => {
    const { agent } = fullAgent();
    const paths = [new Path(1), new Path(2), new Path(3)];
    for (const [i, path] of paths.entries()) agent.addCandidate(path, 100 - i);
    const times: number[] = [];
    for (let nowMs = 0; nowMs < 9000; nowMs += 10) {
      agent.tick(nowMs);
      if (paths.some((path) => path.take().length > 0)) times.push(nowMs);
    }
    const gaps = times.slice(1).map((time, i) => time - (times[i] ?? 0));
    expect(Math.min(...gaps)).toBeGreaterThanOrEqual(50);
    expect(times.slice(0, 4)).toEqual([0, 50, 100, 500]);
    expect(times.length).toBeLessThan(32);
  });

  test('the best of the ways that work is nominated, and one that works at once is waited for', () => {
    const { agent, changes } = fullAgent();
    const [best, worse] = [new Path(1), new Path(2)];
    agent.addCandidate(worse, 1);
    agent.addCandidate(best, 2);
    agent.tick(0);
    agent.tick(50);
    succeed(agent, worse, 60);
    expect(changes).toEqual([worse]);
    agent.tick(110);
    succeed(agent, best, 120);
    agent.tick(170);
    succeed(agent, best, 180);
    expect(agent.selected).toBe(best);
    expect(agent.nominated).toBe(true);
  });

  test('consent is asked for again and again, and its loss ends the way', () => {
    const { agent, changes } = fullAgent();
    const path = new Path(1);
    agent.addCandidate(path, 100);
    let checks = 0;
    for (let nowMs = 0; nowMs < 60_000; nowMs += 20) {
      expect(agent.tick(nowMs) || nowMs < 20).toBe(true);
      checks += path.sent.length;
      succeed(agent, path, nowMs);
    }
    // 10 s of consent: a check every 2.5 s, between 80 and 120 % of it.
    expect(checks).toBeGreaterThan(18);
    expect(checks).toBeLessThan(34);
    for (let nowMs = 60_000; nowMs < 66_900; nowMs += 20) expect(agent.tick(nowMs)).toBe(true);
    expect(agent.tick(70_100)).toBe(false);
    expect(changes).toEqual([path, undefined]);
  });

  test('what comes later is tried as well, twice the same or too many are not', () => {
    const { agent } = fullAgent();
    for (let port = 1; port <= 20; port++) agent.addCandidate(new Path(port), port);
    expect(agent.facts.paths).toHaveLength(8);
    const { agent: other, changes } = fullAgent();
    const dead = new Path(1);
    other.addCandidate(dead, 5);
    other.addCandidate(dead, 5);
    other.tick(0);
    expect(other.facts.paths).toHaveLength(1);
    const late = new Path(2);
    other.addCandidate(late, 1);
    other.tick(100);
    succeed(other, late, 110);
    expect(changes).toEqual([late]);
  });
});

describe('what proves nothing', () => {
  test('answers by the wrong password, from elsewhere, or to nothing that was asked, are not believed', () => {
    const { agent, changes } = fullAgent();
    const [path, elsewhere] = [new Path(1), new Path(2)];
    agent.addCandidate(path, 100);
    agent.tick(0);
    const { transactionId } = path.checks[0] as StunMessage;
    const say = (pwd: string, at: Path, id: Buffer = transactionId) => {
      const answer = new StunWriter('success', id).xorMappedAddress(path).finish(pwd);
      agent.receive(readStun(answer) as StunMessage, answer, { path: at, nowMs: 1 });
    };
    say(local.pwd, path);
    say(remote.pwd, elsewhere);
    say(remote.pwd, path, Buffer.alloc(12, 7));
    expect(changes).toEqual([]);
    expect(agent.counters.unauthentic).toBe(2);
    say(remote.pwd, path);
    expect(changes).toEqual([path]);
  });

  test('checks by the wrong password, or for another name, are not answered', () => {
    const { agent } = fullAgent();
    const path = new Path(1);
    const check = (pwd: string, name: string): Buffer =>
      new StunWriter('request', Buffer.alloc(12, 1)).username(name).finish(pwd);
    for (const datagram of [check(remote.pwd, `${local.ufrag}:x`), check(local.pwd, 'other:x')])
      expect(agent.receive(readStun(datagram) as StunMessage, datagram, { path, nowMs: 0 })).toBeUndefined();
    expect(agent.facts.paths).toEqual([]);
    const good = check(local.pwd, `${local.ufrag}:x`);
    const answer = agent.receive(readStun(good) as StunMessage, good, { path, nowMs: 0 }) as Buffer;
    expect(isIntegrityRight(answer, readStun(answer) as StunMessage, local.pwd)).toBe(true);
  });

  test('a way whose check is refused with an error is not used', () => {
    const { agent, changes } = fullAgent();
    const path = new Path(1);
    agent.addCandidate(path, 100);
    agent.tick(0);
    const { transactionId } = path.checks[0] as StunMessage;
    const answer = new StunWriter('error', transactionId).errorCode(401, 'Unauthorized').finish(remote.pwd);
    agent.receive(readStun(answer) as StunMessage, answer, { path, nowMs: 1 });
    path.take();
    for (let nowMs = 10; nowMs < 3000; nowMs += 20) agent.tick(nowMs);
    expect([changes.length, path.sent.length]).toEqual([0, 0]);
  });
});

describe('towards a full agent', () => {
  /** Two full agents who both believe to decide, on one way. */
  function pair() {
    const mine = fullAgent();
    const theirs = fullAgent({ own: remote, peer: local });
    const here = new Path(1);
    const there = new Path(2);
    const exchange = (nowMs: number): void => {
      mine.agent.tick(nowMs);
      theirs.agent.tick(nowMs);
      deliver({ path: here, agent: mine.agent }, { at: there, agent: theirs.agent }, nowMs);
      deliver({ path: there, agent: theirs.agent }, { at: here, agent: mine.agent }, nowMs);
    };
    return { mine, theirs, here, there, exchange };
  }

  test('its checks are answered and checked back, also from where nobody told of', () => {
    const { mine, theirs, here, there, exchange } = pair();
    theirs.agent.addCandidate(there, 100);
    for (let nowMs = 0; nowMs < 1000; nowMs += 20) exchange(nowMs);
    expect(mine.agent.selected).toBe(here);
    expect(theirs.agent.selected).toBe(there);
  });

  test('who decides is settled when both want to, whoever has the larger number', () => {
    const outcomes = new Set<string>();
    for (let i = 0; i < 40; i++) {
      const { mine, theirs, here, there, exchange } = pair();
      mine.agent.addCandidate(here, 100);
      if (i % 2 === 0) theirs.agent.addCandidate(there, 100);
      for (let nowMs = 0; nowMs < 3000; nowMs += 20) exchange(nowMs);
      outcomes.add(`${mine.agent.role} ${theirs.agent.role}`);
      expect([mine.agent.nominated, theirs.agent.nominated]).toEqual([true, true]);
    }
    expect([...outcomes].sort()).toEqual(['controlled controlling', 'controlling controlled']);
  });
});

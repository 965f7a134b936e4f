import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { describe, expect, it, vi } from 'vitest';
import { prng } from '../../media/src/testing/mutate.ts';
import { loadAddon } from './native/addon.ts';
import { missingAddon, openEgress } from './open.ts';
import { SRTP_PROFILES } from './srtp/index.ts';
import {
  Client,
  cleanUpAfterEach,
  format,
  frame,
  IMPLEMENTATIONS,
  lanePacket,
  masterKey,
  openPort,
  PICTURES,
  PROFILES,
  pushAll,
  range,
  SOUND,
  until,
} from './testing/rig.ts';

cleanUpAfterEach();

const BUSY = fileURLToPath(new URL('testing/busy.mjs', import.meta.url));

describe.each(IMPLEMENTATIONS)('the life of a port, by %s', (implementation) => {
  it('sends to a new address from one packet to the next', async () => {
    const { egress } = await openPort(implementation);
    const before = await Client.open();
    const after = await Client.open();
    const peer = before.join(egress);
    const lane = egress.openLane(SOUND);
    egress.follow(peer, { lane, from: 0, number: 0, maxQueueMs: 500, format: format() });
    pushAll(egress, lane, [lanePacket(0)]);
    await until(() => before.sealed.length === 1);
    egress.setAddress(peer, '127.0.0.1', after.port);
    pushAll(egress, lane, [lanePacket(1)]);
    await until(() => after.sealed.length === 1);
    expect([before.packets[0]?.sequence, after.sealed[0]?.readUInt16BE(2)]).toEqual([0, 1]);
  });

  it('sends what was handed over before a peer was removed, and nothing after', async () => {
    const { egress } = await openPort(implementation);
    const client = await Client.open();
    const peer = client.join(egress);
    const lane = egress.openLane(PICTURES);
    egress.follow(peer, { lane, from: 0, number: 0, maxQueueMs: 500, format: format() });
    const goodbye = Buffer.from('81cb000100000457', 'hex');
    for (const _ of range(0, 100)) egress.sendRtcp(peer, goodbye);
    egress.removePeer(peer);
    egress.removePeer(peer);
    egress.sendRtcp(peer, goodbye);
    egress.setAddress(peer, '127.0.0.1', client.port);
    egress.setPacing(peer, 1000, 1000);
    pushAll(egress, lane, frame(0, 20, { timestamp: 0, startPoint: true }));
    egress.sendRaw('127.0.0.1', client.port, Buffer.from('00ff', 'hex'));
    await until(() => client.other.length === 1);
    expect([client.rtcp.length, client.packets.length]).toEqual([100, 0]);
    expect(egress.peerStats(peer)).toBeUndefined();
    expect(egress.unfollow(peer, 1111)).toBeUndefined();
    expect(egress.sentSince(peer, 0, new Float64Array(30))).toBe(0);
  });

  it('lets peers, tracks and lanes come and go while packets are on their way', async () => {
    const { egress } = await openPort(implementation);
    const clients = await Promise.all(range(0, 6).map((i) => Client.open(PROFILES[i % 2])));
    const random = prng(17);
    const lanes = [egress.openLane(PICTURES), egress.openLane(SOUND)];
    const peers: number[] = [];
    for (let turn = 0; turn < 400; turn++) {
      const client = clients[turn % clients.length] as Client;
      if (random() < 0.3) {
        const peer = client.join(egress, { send: masterKey(client.keys.profile) });
        egress.setPacing(peer, random() < 0.5 ? 0 : 100_000, 2000);
        for (const [i, lane] of lanes.entries())
          egress.follow(peer, { lane, from: turn * 5, number: turn, maxQueueMs: 20, format: format({ ssrc: i + 1 }) });
        peers.push(peer);
      }
      const victim = Math.floor(random() * peers.length);
      if (random() < 0.1) egress.unfollow(peers[victim] ?? 0, 1);
      if (random() < 0.2) egress.removePeer(peers.splice(victim, 1)[0] ?? 0);
      if (random() < 0.02) {
        egress.closeLane(lanes[0] ?? 0);
        lanes[0] = egress.openLane({ ...PICTURES, maxPackets: 30 });
      }
      for (const lane of lanes)
        pushAll(egress, lane, frame(turn * 5, 5, { timestamp: turn * 3000, startPoint: turn % 10 === 0 }));
      egress.sendRtcp(peers[0] ?? 0, Buffer.from('81cb000100000457', 'hex'));
      egress.resend(peers[0] ?? 0, {
        lane: lanes[0] ?? 0,
        sequence: turn * 5,
        number: turn,
        format: format({ ssrc: 9 }),
      });
      if (turn % 20 === 0) await new Promise(setImmediate);
    }
    for (const peer of peers) egress.removePeer(peer);
    await until(() => egress.stats().queuedBytes === 0 && egress.stats().peers === 0);
    expect(egress.stats().unreachable).toBe(0);
  });

  it('tells where a track stood though its lane is closed', async () => {
    const { egress } = await openPort(implementation);
    const client = await Client.open();
    const peer = client.join(egress);
    const lane = egress.openLane(SOUND);
    egress.follow(peer, { lane, from: 0, number: 10, maxQueueMs: 500, format: format() });
    pushAll(
      egress,
      lane,
      range(0, 3).map((sequence) => lanePacket(sequence)),
    );
    await until(() => client.packets.length === 3);
    egress.closeLane(lane);
    egress.closeLane(lane);
    pushAll(egress, lane, [lanePacket(3)]);
    await until(() => egress.stats().packets === 3);
    expect(egress.stats().lanes).toBe(0);
    expect(egress.unfollow(peer, 1111)).toMatchObject({ nextSequence: 3, lastNumber: 12, packets: 3, bytes: 600 });
    expect(egress.unfollow(peer, 1111)).toBeUndefined();
  });

  it('throws for arguments that are wrong, and for nothing else', async () => {
    const { egress } = await openPort(implementation);
    const client = await Client.open();
    const peer = client.join(egress);
    const lane = egress.openLane(PICTURES);
    const follow = { lane, from: 0, number: 0, maxQueueMs: 100, format: format() };
    const key = masterKey('AEAD_AES_128_GCM');
    expect(() => egress.addPeer({ profile: 'AES_CM_128_HMAC_SHA1_80', send: key })).toThrow(RangeError);
    expect(() =>
      egress.addPeer({ profile: 'AEAD_AES_128_GCM', send: key, receive: { ...key, salt: key.key } }),
    ).toThrow(RangeError);
    expect(() => egress.setAddress(peer, 'localhost', 1)).toThrow(RangeError);
    expect(() => egress.setAddress(peer, '127.0.0.1', 0)).toThrow(RangeError);
    expect(() => egress.setPacing(peer, -1, 0)).toThrow(RangeError);
    expect(() => egress.openLane({ ...PICTURES, maxPackets: 0 })).toThrow(RangeError);
    expect(() => egress.follow(peer, { ...follow, from: -1 })).toThrow(RangeError);
    expect(() => egress.follow(peer, { ...follow, format: format({ sendTimeId: 256 }) })).toThrow(RangeError);
    expect(() => egress.follow(peer, { ...follow, lane: 12_345 })).toThrow('can not follow');
    expect(() => egress.follow(12_345, follow)).toThrow('can not follow');
    egress.follow(peer, follow);
    expect(() => egress.follow(peer, follow)).toThrow('can not follow');
    for (const ssrc of range(2, 15)) egress.follow(peer, { ...follow, format: format({ ssrc }) });
    expect(() => egress.follow(peer, { ...follow, format: format({ ssrc: 99 }) })).toThrow('can not follow');
    expect(() => pushAll(egress, lane, [lanePacket(-1)])).toThrow(RangeError);
    expect(() => pushAll(egress, lane, [lanePacket(1, { bytes: 0 })])).toThrow(RangeError);
    for (const port of range(0, 16)) egress.addRoute(peer, '127.0.0.9', 1000 + port);
    expect(egress.addRoute(peer, '127.0.0.9', 2000)).toBe(false);
    egress.sendRtp(777, Buffer.alloc(100));
    egress.setPacing(777, 1, 1);
    egress.removeRoute(777, '127.0.0.1', 1);
    expect(egress.addRoute(777, '127.0.0.1', 1)).toBe(false);
    await expect(openEgress({ address: 'nowhere', port: 0, onReceived() {} })).rejects.toThrow(RangeError);
    await expect(openPort(implementation, { port: egress.port })).rejects.toMatchObject({ code: 'EADDRINUSE' });
  });

  it('goes on when the system can not send to one of many', async () => {
    const { egress } = await openPort(implementation);
    const client = await Client.open();
    const lane = egress.openLane(PICTURES);
    const lost = egress.addPeer(client.keys);
    egress.setAddress(lost, '255.255.255.255', 9);
    const peers = [lost, client.join(egress)];
    for (const peer of peers) egress.follow(peer, { lane, from: 0, number: 0, maxQueueMs: 500, format: format() });
    pushAll(egress, lane, frame(0, 10, { timestamp: 0, startPoint: true }));
    await until(() => client.packets.length === 10 && egress.stats().unreachable === 10);
  });

  it('closes with full queues, twice, and takes no notice of calls after that', async () => {
    const { egress } = await openPort(implementation);
    const client = await Client.open();
    const peers = range(0, 50).map(() => client.join(egress));
    const lane = egress.openLane(PICTURES);
    for (const peer of peers) egress.follow(peer, { lane, from: 0, number: 0, maxQueueMs: 500, format: format() });
    for (const at of range(0, 20)) pushAll(egress, lane, frame(at * 20, 20, { timestamp: at, startPoint: at === 0 }));
    for (const peer of peers) egress.sendRtcp(peer, Buffer.from('81cb000100000457', 'hex'));
    await Promise.all([egress.close(), egress.close()]);
    egress.setAddress(peers[0] ?? 0, '127.0.0.1', 5);
    egress.sendRtp(peers[0] ?? 0, Buffer.alloc(50));
    egress.flush();
    pushAll(egress, lane, [lanePacket(4000)]);
    egress.removePeer(peers[0] ?? 0);
    expect(egress.unfollow(peers[1] ?? 0, 1111)?.packets ?? 0).toBeGreaterThanOrEqual(0);
    const { egress: next } = await openPort(implementation, { port: egress.port });
    await next.close();
  });

  it.each(['exit', 'throw', 'idle'])(
    'does not crash a process that ends while it is busy: %s',
    { timeout: 60_000 },
    async (way) => {
      const env = { ...process.env, ...(implementation === 'typescript' && { SLUICE_NATIVE: 'off' }) };
      const child = spawn(process.execPath, [BUSY, way], { env, stdio: ['ignore', 'pipe', 'pipe'] });
      let text = '';
      child.stdout.on('data', (chunk) => (text += chunk));
      child.stderr.on('data', (chunk) => (text += chunk));
      const [code, signal] = await once(child, 'exit');
      expect([code, signal, text.includes(`busy with ${implementation}`)], text).toEqual([
        way === 'throw' ? 1 : 0,
        null,
        true,
      ]);
    },
  );

  it('works in worker threads beside each other, and ends with them', { timeout: 60_000 }, async () => {
    const env = { ...process.env, ...(implementation === 'typescript' && { SLUICE_NATIVE: 'off' }) };
    const workers = range(0, 2).map(() => new Worker(BUSY, { argv: ['idle'], env, stdout: true }));
    const terminated = new Worker(BUSY, { argv: ['for ever'], env, stdout: true });
    const exits = workers.map((worker) => once(worker, 'exit'));
    await once(terminated.stdout, 'data');
    const codes = await Promise.all([...exits, terminated.terminate()]);
    expect(codes).toEqual([[0], [0], 1]);
  });
});

it('sends without GSO one datagram a message, and with it a picture to a viewer in one', async () => {
  for (const gso of [true, false]) {
    const { egress } = await openPort('native', { gso });
    const client = await Client.open();
    const peer = client.join(egress);
    const lane = egress.openLane(PICTURES);
    egress.follow(peer, { lane, from: 0, number: 0, maxQueueMs: 500, format: format() });
    pushAll(egress, lane, frame(0, 30, { timestamp: 0, startPoint: true }));
    await until(() => client.packets.length === 30 && egress.stats().packets === 30);
    expect(client.numbers(1111)).toEqual(range(0, 30));
    expect([egress.stats().gso, egress.stats().messages]).toEqual([gso, gso ? 1 : 30]);
    await egress.close();
  }
});

it('puts no more datagrams into one message than the kernel takes', async () => {
  const { egress } = await openPort('native');
  const client = await Client.open();
  const peer = client.join(egress);
  const lane = egress.openLane(PICTURES);
  egress.follow(peer, { lane, from: 0, number: 0, maxQueueMs: 500, format: format() });
  pushAll(egress, lane, frame(0, 150, { timestamp: 0, startPoint: true }));
  pushAll(
    egress,
    lane,
    range(150, 150).map((sequence) => lanePacket(sequence, { bytes: 10 })),
  );
  await until(() => client.packets.length === 300);
  expect(client.numbers(1111)).toEqual(range(0, 300));
  expect(egress.stats()).toMatchObject({ unreachable: 0, sentSingly: 0, dropped: 0 });
});

describe('the addon itself', () => {
  const { addon } = loadAddon(process.env['SLUICE_NATIVE']);
  const Socket = addon?.MediaSocket;
  if (Socket === undefined) throw new Error('the addon is not built');
  const options = Float64Array.of(0, 0, 0, 0, 1, 150, 1e6, 1e6, 0);

  it('throws for anything that is not what it takes, and does not crash', () => {
    // What a mistake of ours would hand over.
    const Anything = Socket as unknown as new (
      ...values: unknown[]
    ) => Record<string, (...values: unknown[]) => unknown>;
    const open = (...values: unknown[]) => new Anything(...values);
    const wrong = [undefined, null, -1, Number.NaN, 1e300, 'text', {}, new Uint8Array(3), new Float64Array(2), options];
    for (const a of wrong) expect(() => open(a, 'nowhere', () => {})).toThrow();
    expect(() => open(options, '127.0.0.1', 5)).toThrow();
    const socket = open(options, '127.0.0.1', () => {});
    const names = [
      'addPeer',
      'removePeer',
      'route',
      'divert',
      'takeIn',
      'setPacing',
      'openLane',
      'closeLane',
      'push',
      'follow',
      'track',
      'submit',
      'sentSince',
      'stats',
    ];
    const random = prng(99);
    const any = (): unknown => wrong[Math.floor(random() * wrong.length)];
    for (let i = 0; i < 5000; i++) {
      try {
        socket[names[i % names.length] ?? '']?.(any(), any(), any(), any());
      } catch (error) {
        expect(error).toBeInstanceOf(TypeError);
      }
    }
    expect(() => socket['push']?.call({}, 1)).toThrow(TypeError);
    socket['close']?.();
    expect(() => socket['port']?.()).toThrow(TypeError);
  });

  it('reads batches of commands that are damaged within their bounds', () => {
    const socket = new Socket(options, '127.0.0.1', () => {});
    const peer = socket.addPeer(0, 0, new Uint8Array(16 + SRTP_PROFILES.AEAD_AES_128_GCM.salt));
    const address = Buffer.from('00000000000000000000ffff7f0000010009', 'hex');
    socket.route(peer, address, 0);
    const random = prng(5);
    for (let i = 0; i < 3000; i++) {
      const command = Buffer.alloc(8 * Math.floor(random() * 20));
      for (let at = 0; at < command.length; at++) command[at] = Math.floor(random() * 256);
      if (command.length >= 32) {
        command.writeUInt32LE(1 + Math.floor(random() * 6), 0);
        command.writeUInt32LE(random() < 0.8 ? command.length : Math.floor(random() * 300), 4);
        command.writeDoubleLE(peer, 8);
        if (random() < 0.7) command.writeUInt32LE(Math.floor(random() * command.length), 16);
      }
      socket.submit(command, command.length);
    }
    socket.close();
  });
});

it('says in one line why there is no addon, and sends without it', async () => {
  const before = process.env['SLUICE_NATIVE'];
  process.env['SLUICE_NATIVE'] = '/nowhere/sluice.node';
  const opening = openEgress({ address: '127.0.0.1', port: 0, onReceived() {} });
  if (before === undefined) delete process.env['SLUICE_NATIVE'];
  else process.env['SLUICE_NATIVE'] = before;
  const egress = await opening;
  expect(egress.implementation).toBe('typescript');
  expect(egress.reason).toMatch(/^\/nowhere\/sluice\.node can not be loaded: .*$/);
  await egress.close();
});

it.each([
  ['off', undefined],
  ['/nowhere/sluice.node', 'can not be loaded'],
  ['old', 'is of other sources: run packages/native/build.mjs'],
])('tells why the addon is missing, and what to do: %s', (setting, told) => {
  const old = join(mkdtempSync(join(tmpdir(), 'sluice-')), 'old.cjs');
  writeFileSync(old, 'module.exports = { version: 1 };');
  vi.stubEnv('SLUICE_NATIVE', setting === 'old' ? old : setting);
  try {
    const reason = missingAddon();
    if (told === undefined) expect(reason).toBeUndefined();
    else expect(reason).toContain(told);
  } finally {
    vi.unstubAllEnvs();
    rmSync(dirname(old), { recursive: true });
  }
});

import { createHmac, randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { TestCounters } from '../../../core/testing/hub.ts';
import { Admission } from './admission.ts';
import { OFFERED_ALGORITHMS } from './authenticator.ts';
import { MEDIA_PORT } from './testing/scripted-port.ts';
import { OWN, OWN_IPV6, REALM, ScriptedService, SECRET } from './testing/scripted-service.ts';
import { ATTRIBUTE, FAMILY, METHOD } from './wire/constants.ts';
import { TurnWriter, writeChannelData } from './wire/write.ts';

const MEDIA = { address: OWN, port: MEDIA_PORT };
const PACKET = Buffer.from('a datagram');
const family = (number: number): Buffer => Buffer.from([number, 0, 0, 0]);

describe('credentials of the TURN server', () => {
  it('asks for them, with all that is needed to have them, and then allocates', () => {
    const script = new ScriptedService();
    const client = script.client();
    const challenge = client.greet();
    expect(challenge).toMatchObject({ class: 'error', errorCode: 401, realm: REALM });
    expect(challenge?.nonce).toMatch(/^obMatJos2gAAA/);
    expect(challenge?.passwordAlgorithms).toEqual(OFFERED_ALGORITHMS);
    expect(client.allocate()).toMatchObject({
      class: 'success',
      lifetimeS: 600,
      mappedAddress: { address: client.address, port: client.port },
      relayedAddress: { address: OWN },
    });
    expect(client.isKept).toBe(true);
  });

  it('takes keys by SHA-256 and signs with it when the client does', () => {
    const client = new ScriptedService().client();
    client.greet();
    Object.assign(client, { passwordAlgorithm: 2, offered: OFFERED_ALGORITHMS, integrity: 'sha256' });
    expect(client.allocate()).toMatchObject({ class: 'success', integrity: { algorithm: 'sha256' } });
  });

  it('refuses an offer of algorithms that somebody has shortened on the way', () => {
    const client = new ScriptedService().client();
    client.greet();
    Object.assign(client, { passwordAlgorithm: 1, offered: OFFERED_ALGORITHMS.subarray(4) });
    expect(client.allocate()?.errorCode).toBe(400);
    client.offered = undefined;
    expect(client.allocate()?.errorCode).toBe(400);
    Object.assign(client, { passwordAlgorithm: 3, offered: OFFERED_ALGORITHMS });
    expect(client.allocate()?.errorCode).toBe(400);
  });

  it.each([
    ['a wrong password', { password: 'another' }],
    ['an unknown name', { username: 'somebody' }],
    ['a name that ends with the time it was good for', { username: '1699999999:x', password: hmac('1699999999:x') }],
    ['a time-limited name with the password of another', { username: '1800000000:x', password: hmac('1800000000:y') }],
    ['an empty name', { username: '', password: '' }],
  ])('refuses %s with 401 and no signature', (_what, credential) => {
    const script = new ScriptedService();
    const client = script.client(credential);
    const answer = client.allocate();
    expect(answer).toMatchObject({ class: 'error', errorCode: 401 });
    expect(answer?.integrity).toBeUndefined();
    expect(script.counters.of('turn_unauthorized')).toBe(1);
    expect(script.allocations.size).toBe(0);
  });

  it.each(['1800000000', '1800000000:', '1800000000:any:thing'])('takes the time-limited name %s', (username) => {
    const client = new ScriptedService().client({ username, password: hmac(username) });
    expect(client.allocate()?.class).toBe('success');
  });

  it('issues names and passwords that are good until their time is over, and lets who is in stay', () => {
    const script = new ScriptedService();
    const { username, credential, ttlS } = script.credentials.issue(script.unixMs);
    const early = script.client({ username, password: credential });
    expect(early.allocate()?.class).toBe('success');
    for (let passed = 0; passed < ttlS; passed += 500) {
      expect(early.refresh(600)?.class === 'success' || early.refresh(600)?.class === 'success').toBe(true);
      script.pass(500);
    }
    expect(script.client({ username, password: credential }).allocate()?.errorCode).toBe(401);
    expect(early.refresh(600)?.class).toBe('success');
  });

  it('refuses a nonce that is old, made up, or of another client, with a new one', () => {
    const script = new ScriptedService();
    const client = script.client();
    client.greet();
    const { nonce } = client;
    script.pass(3601);
    expect(client.allocate()?.errorCode).toBe(438);
    expect(client.nonce).not.toBe(nonce);
    expect(client.allocate()?.class).toBe('success');
    for (const foreign of [client.nonce, 'obMatJos2gAAA', 'x', `${client.nonce}A`, '']) {
      const other = script.client();
      other.nonce = foreign;
      expect(other.allocate()?.errorCode).toBe(438);
      expect(other.allocate()?.class).toBe('success');
    }
  });

  it('refuses a signed request that lacks name, realm or nonce with 400', () => {
    const client = new ScriptedService().client();
    client.greet();
    const key = client.key;
    for (const left of [ATTRIBUTE.username, ATTRIBUTE.realm, ATTRIBUTE.nonce]) {
      const writer = new TurnWriter(METHOD.refresh, 'request', randomBytes(12));
      for (const type of [ATTRIBUTE.username, ATTRIBUTE.realm, ATTRIBUTE.nonce])
        if (type !== left) writer.text(type, 'x');
      expect(client.send(writer.finish({ key }))?.errorCode).toBe(400);
    }
  });

  it('answers an address that proves nothing only so often, and others still', () => {
    const script = new ScriptedService({ limits: { unprovenPerSecond: 5, unprovenBurst: 10 } });
    const flood = script.client();
    const greeting = flood.begin(METHOD.allocate).finish();
    for (let i = 0; i < 100; i++) flood.send(greeting);
    expect(flood.sent).toHaveLength(10);
    expect(script.counters.of('turn_unanswered')).toBe(90);
    expect(script.client({ address: '198.51.100.200' }).greet()?.errorCode).toBe(401);
    const proxy = script.client({ transport: 'tls' });
    for (let i = 0; i < 100; i++) proxy.send(greeting);
    expect(proxy.sent).toHaveLength(50);
    script.pass(1);
    for (let i = 0; i < 100; i++) flood.send(new TurnWriter(METHOD.binding, 'request', randomBytes(12)).finish());
    expect(flood.sent).toHaveLength(15);
  });

  it('says no more to who has proved nothing than is needed', () => {
    const client = new ScriptedService().client();
    client.greet();
    client.send(new TurnWriter(METHOD.binding, 'request', randomBytes(12)).finish());
    const [challenge, binding] = client.sent.map((message) => message.length);
    expect(challenge).toBeLessThanOrEqual(104);
    expect(binding).toBe(32);
  });
});

describe('connections', () => {
  it('are counted to networks, also of hosts that name a zone', () => {
    const counters = new TestCounters();
    const admission = new Admission({ maxConnections: 4, maxConnectionsPerAddress: 2 }, counters);
    const first = admission.admit('fe80::1%eth0');
    expect(admission.admit('fe80::2')).toBeDefined();
    expect(admission.admit('fe80::3%eth1')).toBeUndefined();
    first?.[Symbol.dispose]();
    expect(admission.admit('fe80::3%eth1')).toBeDefined();
    expect(admission.admit('::ffff:192.0.2.1')).toBeDefined();
    expect(admission.admit(undefined)).toBeDefined();
    expect(admission.admit('192.0.2.1')).toBeUndefined();
    expect(counters.of('turn_refused_connections')).toBe(2);
  });
});

describe('allocations', () => {
  it('are of the family that is asked for, and refused for one that is not there', () => {
    const script = new ScriptedService({ withoutIpv6: true });
    const wants = (number: number) =>
      script.client().allocate((w) => w.attribute(ATTRIBUTE.requestedAddressFamily, family(number)));
    expect(wants(FAMILY.IPv4)?.relayedAddress?.address).toBe(OWN);
    expect(wants(FAMILY.IPv6)?.errorCode).toBe(440);
    expect(wants(9)?.errorCode).toBe(440);
    const both = new ScriptedService();
    const client = both.client();
    const answer = client.allocate((w) => w.attribute(ATTRIBUTE.requestedAddressFamily, family(FAMILY.IPv6)));
    expect(answer?.relayedAddress?.address).toBe(OWN_IPV6);
    expect(client.permit(MEDIA)?.errorCode).toBe(443);
    expect(client.permit({ address: OWN_IPV6, port: 1 })?.class).toBe('success');
  });

  it('refuse what TURN can not do or does not know, and say why', () => {
    const client = new ScriptedService().client();
    client.greet();
    const asks = (type: number, value: readonly number[]) =>
      client.request(client.begin(METHOD.allocate).attribute(type, Buffer.from(value)));
    expect(asks(ATTRIBUTE.lifetime, [0, 0, 0, 1])?.errorCode).toBe(400);
    expect(asks(ATTRIBUTE.requestedTransport, [6, 0, 0, 0])?.errorCode).toBe(442);
    const unknown = asks(0x7777, []);
    expect(unknown?.errorCode).toBe(420);
    expect(unknown?.bytes.includes(Buffer.from([0x77, 0x77]))).toBe(true);
    expect(client.allocate((w) => w.attribute(ATTRIBUTE.evenPort, Buffer.from([0x80])))?.errorCode).toBe(508);
    expect(client.allocate((w) => w.attribute(ATTRIBUTE.reservationToken, Buffer.alloc(8)))?.errorCode).toBe(508);
    const even = client.allocate((w) => w.attribute(ATTRIBUTE.evenPort, Buffer.from([0])));
    expect((even?.relayedAddress?.port ?? 1) % 2).toBe(0);
  });

  it('are made once: the same request again gets the same answer, another one 437', () => {
    const script = new ScriptedService();
    const client = script.client();
    client.greet();
    const transactionId = randomBytes(12);
    const request = client
      .begin(METHOD.allocate, transactionId)
      .attribute(ATTRIBUTE.requestedTransport, Buffer.from([17, 0, 0, 0]))
      .finish({ key: client.key });
    const first = client.send(request);
    expect(client.send(request)?.relayedAddress).toEqual(first?.relayedAddress);
    expect(client.allocate()?.errorCode).toBe(437);
    expect(script.allocations.size).toBe(1);
  });

  it('last as long as they are refreshed, ten minutes or what is asked for, an hour at the most', () => {
    const script = new ScriptedService();
    const client = script.client();
    client.allocate();
    expect(client.refresh(1)?.lifetimeS).toBe(600);
    expect(client.refresh(2000)?.lifetimeS).toBe(2000);
    expect(client.refresh(100_000)?.lifetimeS).toBe(3600);
    script.pass(3599);
    expect(script.allocations.size).toBe(1);
    script.pass(1);
    expect(script.allocations.size).toBe(0);
    expect(client.isKept).toBe(false);
    expect(client.refresh(600)?.errorCode).toBe(438);
    expect(client.refresh(600)?.errorCode).toBe(437);
  });

  it('end when the client says so, and the media hears of it', () => {
    const script = new ScriptedService();
    const client = script.client();
    client.allocate();
    client.bind(0x4000, MEDIA);
    client.raw(writeChannelData(0x4000, PACKET, false));
    expect(client.refresh(0)).toMatchObject({ class: 'success', lifetimeS: 0 });
    expect(script.port.forgotten).toEqual([script.port.received[0]?.source]);
    expect(script.port.received[0]?.source.send(PACKET)).toBe(true);
    expect(client.sent.at(-1)?.includes(PACKET)).toBe(false);
    expect(client.allocate()?.class).toBe('success');
  });

  it('belong to the user who made them', () => {
    const script = new ScriptedService();
    const client = script.client();
    client.allocate();
    const { username, credential } = script.credentials.issue(script.unixMs);
    Object.assign(client, { username, password: credential });
    expect(client.refresh(600)?.errorCode).toBe(441);
    expect(client.permit(MEDIA)?.errorCode).toBe(441);
  });

  it('are bounded for one address, for one network of IPv6, and for all', () => {
    const script = new ScriptedService({ maxAllocations: 5, maxAllocationsPerAddress: 2 });
    const from = (address: string) => script.client({ address });
    const first = from('198.51.100.1');
    expect(first.allocate()?.class).toBe('success');
    expect(from('198.51.100.1').allocate()?.class).toBe('success');
    expect(from('198.51.100.1').allocate()?.errorCode).toBe(486);
    expect(from('2001:db8:1:1::1').allocate()?.class).toBe('success');
    expect(from('2001:db8:1:1:ffff::2').allocate()?.class).toBe('success');
    expect(from('2001:db8:1:1::3').allocate()?.errorCode).toBe(486);
    expect(from('2001:db8:1:2::3').allocate()?.class).toBe('success');
    expect(from('198.51.100.2').allocate()?.errorCode).toBe(508);
    first.refresh(0);
    expect(from('198.51.100.1').allocate()?.class).toBe('success');
    expect(script.counters.of('turn_allocations')).toBe(6);
  });

  it('have a port number each, as long as there are any', () => {
    const script = new ScriptedService({ maxAllocations: 60_000, maxAllocationsPerAddress: 60_000 });
    const numbers = new Set<number>();
    const client = script.client();
    for (;;) {
      const made = script.allocations.create({
        client,
        user: { username: '', password: '' },
        family: 'IPv4',
        evenPort: false,
        transactionId: Buffer.alloc(12),
        expiresMs: 1e9,
      });
      if (typeof made === 'string') break;
      numbers.add(made.relayed.port);
    }
    expect(numbers.size).toBe(49_152);
    expect(script.allocations.size).toBe(49_152);
    expect(Math.min(...numbers)).toBe(16_384);
    script.allocations.close();
    expect(client.allocate()?.class).toBe('success');
  });
});

function hmac(username: string): string {
  return createHmac('sha1', SECRET).update(username).digest('base64');
}

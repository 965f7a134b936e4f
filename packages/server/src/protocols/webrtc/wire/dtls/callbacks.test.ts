import { describe, expect, test } from 'vitest';
import { DtlsAssociation } from './association.ts';
import { ecdsaIdentity } from './testing/identities.ts';
import { Pair } from './testing/pair.ts';

const [client, server] = await Promise.all([ecdsaIdentity(), ecdsaIdentity()]);
const both = { client, server };

describe('callbacks', () => {
  test('may deliver at once, so that both ends call each other', () => {
    const log: string[] = [];
    let depth = 0;
    let deepest = 0;
    const ends: { client?: DtlsAssociation; server?: DtlsAssociation } = {};
    const make = (role: 'client' | 'server') =>
      new DtlsAssociation({
        role,
        certificate: both[role].certificate,
        remoteFingerprints: both[role === 'client' ? 'server' : 'client'].fingerprints,
        srtpProfiles: ['AEAD_AES_128_GCM'],
        mtu: 300,
        send: (datagram) => {
          depth += 1;
          deepest = Math.max(deepest, depth);
          ends[role === 'client' ? 'server' : 'client']?.receive(datagram, 0);
          depth -= 1;
        },
        onConnected: () => log.push(`${role} connected`),
        onClosed: (reason) => log.push(`${role} ${reason}`),
      });
    ends.client = make('client');
    ends.server = make('server');
    ends.client.start(0);
    expect(log.toSorted()).toEqual(['client connected', 'server connected']);
    ends.client.close();
    expect(log.at(-1)).toBe('server close_notify');
    // Nobody is called while it is still in a call of ours: one send of each end at a time.
    expect(deepest).toBe(2);
  });

  test.each([0, 1, 2, 3])('may close the association from within send number %i', (number) => {
    for (const role of ['client', 'server'] as const) {
      let calls = 0;
      const pair: Pair = new Pair(both, {
        [role]: {
          mtu: 300,
          send: (datagram: Buffer) => {
            pair[role].outgoing.push(datagram);
            if (calls === number) pair[role].association.close();
            calls += 1;
          },
        },
      });
      pair.start();
      pair.settle();
      for (let count = 0; count < 100; count += 1) {
        pair.advance(1000);
        pair[role === 'client' ? 'server' : 'client'].outgoing.length = 0;
      }
      // At most close_notify comes after: the association was connected when its last flight went out.
      expect(calls).toBeLessThanOrEqual(number + 2);
      expect(pair[role].association.connected).toBe(false);
      expect(pair[role].keys).toEqual([]);
      expect(pair[role].closed).toEqual([]);
    }
  });

  test('that close while the fatal alert goes out hear nothing of the end', () => {
    const pair: Pair = new Pair(both, {
      client: { remoteFingerprints: [], send: (datagram) => pair.client.outgoing.push(datagram) },
    });
    pair.start();
    const send = pair.client.outgoing.push;
    pair.client.outgoing.push = (...datagrams) => {
      pair.client.association.close();
      return send.apply(pair.client.outgoing, datagrams);
    };
    for (const datagram of pair.client.outgoing.splice(0)) pair.server.association.receive(datagram, 0);
    for (const datagram of pair.server.outgoing.splice(0)) pair.client.association.receive(datagram, 0);
    expect(pair.client.outgoing).toHaveLength(1);
    expect(pair.client.closed).toEqual([]);
  });

  test('that throw in send count as loss', () => {
    let calls = 0;
    const pair: Pair = new Pair(both, {
      client: {
        send: (datagram) => {
          calls += 1;
          if (calls % 2 === 1) throw new Error('no buffer space');
          pair.client.outgoing.push(datagram);
        },
      },
    });
    pair.start();
    for (let count = 0; count < 100 && !pair.bothConnected; count += 1) {
      pair.settle();
      pair.advance(50);
    }
    expect(pair.bothConnected).toBe(true);
  });

  test('that throw in onConnected end the association and tell the peer', () => {
    const pair = new Pair(both, {
      server: {
        onConnected: () => {
          throw new Error('no SRTP');
        },
      },
    });
    pair.start();
    pair.settle();
    expect(pair.server.closed).toEqual([{ reason: 'error', detail: 'internal error: no SRTP' }]);
    expect(pair.client.closed).toEqual([{ reason: 'error', detail: 'the peer reports internal_error' }]);
  });

  test('that throw in onClosed reach nobody', () => {
    const pair = new Pair(both, {
      client: {
        remoteFingerprints: [],
        onClosed: () => {
          throw new Error('not my fault');
        },
      },
    });
    pair.start();
    expect(() => pair.settle()).not.toThrow();
    expect(pair.server.closed[0]?.detail).toBe('the peer reports bad_certificate');
  });
});

import { describe, expect, test } from 'vitest';
import { ecdsaIdentity } from './testing/identities.ts';
import { Pair } from './testing/pair.ts';

const [client, server] = await Promise.all([ecdsaIdentity(), ecdsaIdentity()]);
const both = { client, server };

describe('a DTLS association', () => {
  test('connects client and server with the same SRTP keys, crosswise', () => {
    const pair = new Pair(both);
    pair.start();
    pair.settle();
    expect(pair.client.closed).toEqual([]);
    expect(pair.server.closed).toEqual([]);
    const [ours] = pair.client.keys;
    const [theirs] = pair.server.keys;
    expect(ours?.profile).toBe('AEAD_AES_128_GCM');
    expect(ours?.local).toEqual(theirs?.remote);
    expect(ours?.remote).toEqual(theirs?.local);
    expect(ours?.local).not.toEqual(ours?.remote);
    expect([ours?.local.key.length, ours?.local.salt.length]).toEqual([16, 12]);
  });
});

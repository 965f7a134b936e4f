import { createHmac, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { SignJWT } from 'jose';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { Gatekeeper, type GatekeeperOptions, type GateQuestion } from './gatekeeper.ts';
import { makeStreamToken, type StreamTokenOptions } from './stream-tokens.ts';
import { Witness } from './testing/witness.ts';

const SECRET = 'a secret of thirty-two bytes, or more';
const SOON = (): number => Math.floor(Date.now() / 1000) + 60;
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
const p256 = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const ed25519 = generateKeyPairSync('ed25519');
const pem = (key: KeyObject): string => key.export({ type: 'spki', format: 'pem' }) as string;

const witness = new Witness();
let gatekeeper: Gatekeeper | undefined;
let jwks: Server | undefined;
afterEach(() => {
  gatekeeper?.close();
  jwks?.closeAllConnections();
  jwks?.close();
  jwks = undefined;
  witness.counts.clear();
  witness.lines.length = 0;
});

function gate(options: Partial<GatekeeperOptions> = {}, tokens: Partial<StreamTokenOptions> = {}): Gatekeeper {
  gatekeeper = new Gatekeeper(
    {
      tokenRequired: 'both',
      tokenField: '',
      publishAllowedIps: [],
      playAllowedIps: [],
      allowDomains: [],
      ...options,
      tokens: {
        secret: SECRET,
        publicKeyPem: '',
        jwksUrl: '',
        issuer: '',
        audience: '',
        clockToleranceSeconds: 5,
        ...tokens,
      },
    },
    witness,
  );
  return gatekeeper;
}

function question(token: unknown, fields: Partial<GateQuestion> = {}): GateQuestion {
  return {
    kind: 'play',
    protocol: 'webrtc',
    streamName: 'room1',
    remoteAddress: '192.0.2.7',
    custom: { token },
    appKey: 'defaultApp',
    ...fields,
  };
}

function sign(
  claims: Record<string, unknown>,
  key: KeyObject | Uint8Array = Buffer.from(SECRET),
  alg = 'HS256',
  kid?: string,
) {
  const header = kid === undefined ? { alg } : { alg, kid };
  return new SignJWT({ stream: 'room1', role: 'play', exp: SOON(), ...claims }).setProtectedHeader(header).sign(key);
}

/** Made by hand, for what a library would refuse to make. */
function rawToken(header: object, claims: object, secret: string | Buffer): string {
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const text = `${part(header)}.${part(claims)}`;
  return `${text}.${createHmac('sha256', secret).update(text).digest('base64url')}`;
}

const refusal = (code: string, message?: RegExp) =>
  expect.objectContaining(message === undefined ? { code } : { code, message: expect.stringMatching(message) });

async function serveKeys(listener: RequestListener): Promise<string> {
  const server = createServer(listener);
  jwks = server;
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/keys.json`;
}

describe('stream tokens', () => {
  test('are asked for what needs one, and the refusal says where to put it', async () => {
    const door = gate({ tokenRequired: 'publish' });
    await door.check(question(undefined));
    await door.check(question('not looked at'));
    await expect(door.check(question(undefined, { kind: 'publish' }))).rejects.toEqual(
      refusal('TOKEN_REQUIRED', /send it as "token"/),
    );
    expect(witness.counts.get('gate_refused')).toBe(1);
  });

  test('made by the command line are understood', async () => {
    const token = await makeStreamToken({ stream: 'room1', role: 'play', expiresInSeconds: 60 }, SECRET);
    await gate().check(question(token));
    expect(witness.counts.size).toBe(0);
  });

  test.each([
    { why: 'of an exact name', claims: {} },
    { why: 'with a mask', claims: { stream: 'room*' } },
    { why: 'with a list of names', claims: { stream: ['other', 'room1'] } },
    { why: 'for both roles', claims: { role: 'both' } },
    { why: 'for that address', claims: { ip: '192.0.2.7' } },
    { why: 'for a network', claims: { ip: ['10.0.0.0/8', '192.0.2.0/24'] } },
    { why: 'expired within the tolerance', claims: { exp: Math.floor(Date.now() / 1000) - 1 } },
    { why: 'begun within the tolerance', claims: { nbf: Math.floor(Date.now() / 1000) + 3 } },
  ])('$why let a viewer in', async ({ claims }) => {
    await gate().check(question(await sign(claims)));
  });

  test.each([
    { why: 'for another stream', claims: { stream: 'room2' }, code: 'ACCESS_DENIED' },
    { why: 'whose mask does not fit', claims: { stream: 'rooms-*' }, code: 'ACCESS_DENIED' },
    { why: 'whose mask looks like a pattern', claims: { stream: 'r.om1' }, code: 'ACCESS_DENIED' },
    { why: 'for publishers', claims: { role: 'publish' }, code: 'ACCESS_DENIED' },
    { why: 'for another address', claims: { ip: '192.0.2.8' }, code: 'ACCESS_DENIED' },
    { why: 'for no address at all', claims: { ip: 'everywhere' }, code: 'ACCESS_DENIED' },
    { why: 'with an empty list of addresses', claims: { ip: [] }, code: 'TOKEN_REQUIRED' },
    { why: 'that expired', claims: { exp: Math.floor(Date.now() / 1000) - 60 }, code: 'TOKEN_REQUIRED' },
    { why: 'that never expire', claims: { exp: undefined }, code: 'TOKEN_REQUIRED' },
    { why: 'whose expiry is no number', claims: { exp: 'tomorrow' }, code: 'TOKEN_REQUIRED' },
    { why: 'that are not valid yet', claims: { nbf: SOON() }, code: 'TOKEN_REQUIRED' },
    { why: 'without stream', claims: { stream: undefined }, code: 'TOKEN_REQUIRED' },
    { why: 'with no streams', claims: { stream: [] }, code: 'TOKEN_REQUIRED' },
    { why: 'without role', claims: { role: undefined }, code: 'TOKEN_REQUIRED' },
    { why: 'with another role', claims: { role: 'admin' }, code: 'TOKEN_REQUIRED' },
  ])('$why are refused with $code, and nobody is slowed down', async ({ claims, code }) => {
    const door = gate();
    const token =
      typeof claims.exp === 'string' || ('exp' in claims && claims.exp === undefined)
        ? rawToken({ alg: 'HS256' }, { stream: 'room1', role: 'play', ...claims }, SECRET)
        : await sign(claims);
    for (let i = 0; i < 30; i++) await expect(door.check(question(token))).rejects.toEqual(refusal(code));
    expect(witness.counts.get('auth_failed')).toBeUndefined();
  });

  test.each([
    ['nonsense', 'gibberish'],
    ['dots', '..'],
    ['a megabyte', 'a'.repeat(1_000_000)],
    ['no JSON', 'AAAA.AAAA.AAAA'],
    [
      'alg none',
      `${Buffer.from('{"alg":"none"}').toString('base64url')}.${Buffer.from('{"stream":"room1"}').toString('base64url')}.`,
    ],
    ['another secret', rawToken({ alg: 'HS256' }, { stream: 'room1', role: 'play', exp: SOON() }, 'x'.repeat(40))],
    [
      'an algorithm that is a list',
      rawToken({ alg: ['HS256'] }, { stream: 'room1', role: 'play', exp: SOON() }, SECRET),
    ],
    [
      'a stronger algorithm than agreed',
      rawToken({ alg: 'HS512' }, { stream: 'room1', role: 'play', exp: SOON() }, SECRET),
    ],
    [
      'an unknown critical header',
      rawToken({ alg: 'HS256', crit: ['x'], x: 1 }, { stream: 'room1', role: 'play', exp: SOON() }, SECRET),
    ],
    [
      'an algorithm of Object',
      rawToken({ alg: 'constructor' }, { stream: 'room1', role: 'play', exp: SOON() }, SECRET),
    ],
  ])('made of %s are refused in the same words', async (_what, token) => {
    await expect(gate().check(question(token))).rejects.toEqual(
      refusal('TOKEN_REQUIRED', /^the stream token is not valid$/),
    );
    expect(witness.counts.get('auth_failed')).toBe(1);
    expect(witness.lines.join()).not.toContain(token);
  });

  test.each([
    ['a number', 5],
    ['a list', ['x']],
    ['an object', {}],
    ['an empty text', ''],
  ])('that are %s count as none', async (_what, token) => {
    await expect(gate().check(question(token))).rejects.toEqual(refusal('TOKEN_REQUIRED', /is needed/));
  });

  test('are read from the field that client_acl_property_name names, else from token', async () => {
    const door = gate({ tokenField: 'aclAuth' });
    const token = await sign({});
    await door.check(question(undefined, { custom: { aclAuth: token } }));
    await door.check(question(token));
    await door.check(question(undefined, { custom: { aclAuth: token, token: 'of the back end' } }));
    await expect(door.check(question(undefined, { custom: {} }))).rejects.toEqual(
      refusal('TOKEN_REQUIRED', /send it as "aclAuth"/),
    );
  });

  test('of an issuer and for an audience are told from others', async () => {
    const door = gate({}, { issuer: 'shop', audience: 'sluice' });
    await door.check(question(await sign({ iss: 'shop', aud: ['x', 'sluice'] })));
    for (const claims of [{ iss: 'shop' }, { aud: 'sluice' }, { iss: 'other', aud: 'sluice' }])
      await expect(door.check(question(await sign(claims)))).rejects.toEqual(refusal('TOKEN_REQUIRED'));
  });

  test('that are forged slow their address down, and only it', async () => {
    const door = gate();
    const good = await sign({});
    for (let i = 0; i < 20; i++)
      await expect(door.check(question('forged'))).rejects.toEqual(refusal('TOKEN_REQUIRED'));
    await expect(door.check(question(good))).rejects.toEqual(refusal('TOO_MANY_ATTEMPTS', /wait 1 s/));
    await door.check(question(good, { remoteAddress: '192.0.2.8' }));
    expect(witness.counts.get('auth_slowed')).toBe(1);
  });
});

describe('public keys of stream tokens', () => {
  test.each([
    { alg: 'RS256', pair: rsa },
    { alg: 'ES256', pair: p256 },
    { alg: 'EdDSA', pair: ed25519 },
  ])('check $alg', async ({ alg, pair }) => {
    const door = gate({}, { secret: '', publicKeyPem: pem(pair.publicKey) });
    await door.check(question(await sign({}, pair.privateKey, alg)));
  });

  test('are never taken for the secret of HS256', async () => {
    const publicKeyPem = pem(rsa.publicKey);
    const door = gate({}, { secret: '', publicKeyPem });
    const forged = rawToken({ alg: 'HS256' }, { stream: '*', role: 'both', exp: SOON() }, publicKeyPem);
    await expect(door.check(question(forged))).rejects.toEqual(refusal('TOKEN_REQUIRED'));
  });

  test('do not check an algorithm of another kind of key', async () => {
    const door = gate({}, { secret: '', publicKeyPem: pem(p256.publicKey) });
    await expect(door.check(question(await sign({}, rsa.privateKey, 'RS256')))).rejects.toEqual(
      refusal('TOKEN_REQUIRED'),
    );
  });

  test.each([
    ['a private key', p256.privateKey.export({ type: 'pkcs8', format: 'pem' }) as string, /private key/],
    ['RSA of 1024 bits', pem(generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey), /2048 bits/],
    ['another curve', pem(generateKeyPairSync('ec', { namedCurve: 'secp384r1' }).publicKey), /P-256/],
    ['no PEM', 'hello', /stream_token_public_key/],
  ])('can not be %s', (_what, publicKeyPem, message) => {
    expect(() => gate({}, { publicKeyPem })).toThrow(message);
  });

  test('or a secret must be there when tokens are required', () => {
    expect(() => gate({}, { secret: '' })).toThrow(/needs stream_token_secret/);
    expect(() => gate({ tokenRequired: 'off' }, { secret: '' })).not.toThrow();
  });

  test('the secret must be long, and the error does not tell it', () => {
    expect(() => gate({}, { secret: 'hunter2' })).toThrow(/at least 32/);
    expect(() => gate({}, { secret: 'hunter2' })).not.toThrow(/hunter2/);
  });
});

describe('keys at a URL', () => {
  const keySet = (...pairs: readonly { readonly publicKey: KeyObject; readonly kid: string }[]): string =>
    JSON.stringify({ keys: pairs.map(({ publicKey, kid }) => ({ ...publicKey.export({ format: 'jwk' }), kid })) });

  test('are fetched once, when the first token comes', async () => {
    let requests = 0;
    const jwksUrl = await serveKeys((_request, response) => {
      requests++;
      response.end(keySet({ ...p256, kid: 'a' }, { ...rsa, kid: 'b' }));
    });
    const door = gate({}, { secret: '', jwksUrl });
    expect(requests).toBe(0);
    const token = await sign({}, p256.privateKey, 'ES256', 'a');
    await Promise.all(Array.from({ length: 20 }, () => door.check(question(token))));
    await door.check(question(await sign({}, rsa.privateKey, 'RS256', 'b')));
    expect(requests).toBe(1);
  });

  test('never check HS256, even if the set has a secret in it', async () => {
    const jwksUrl = await serveKeys((_request, response) =>
      response.end(JSON.stringify({ keys: [{ kty: 'oct', k: Buffer.from(SECRET).toString('base64url'), kid: 'a' }] })),
    );
    const door = gate({}, { secret: '', jwksUrl });
    await expect(door.check(question(await sign({}, Buffer.from(SECRET), 'HS256', 'a')))).rejects.toEqual(
      refusal('TOKEN_REQUIRED'),
    );
  });

  test.each<[string, RequestListener]>([
    ['an error', (_request, response) => response.writeHead(500).end()],
    ['no JSON', (_request, response) => response.end('<html>')],
    ['something else', (_request, response) => response.end('{"keys":5}')],
    ['ten megabytes', (_request, response) => response.end(' '.repeat(10_000_000))],
    ['a redirect', (_request, response) => response.writeHead(302, { location: 'http://127.0.0.1:1/' }).end()],
    [
      'half an answer',
      (request, response) =>
        response.writeHead(200, { 'content-length': '100' }).write('{}', () => request.socket.destroy()),
    ],
    ['nothing, and hangs up', (request) => request.socket.destroy()],
  ])('whose server answers with %s deny, once asked, and the log says so', async (_what, listener) => {
    let requests = 0;
    const jwksUrl = await serveKeys((request, response) => {
      requests++;
      listener(request, response);
    });
    const door = gate({}, { secret: '', jwksUrl: `${jwksUrl}?key=hidden` });
    const token = await sign({}, p256.privateKey, 'ES256', 'a');
    for (let i = 0; i < 3; i++)
      await expect(door.check(question(token))).rejects.toEqual(refusal('ACCESS_DENIED', /at the moment/));
    expect(requests).toBe(1);
    const told = witness.lines.filter((line) => line.includes('stream_token_jwks_url'));
    expect(told).toHaveLength(1);
    expect(told[0]).not.toContain('hidden');
  });

  test('whose server never answers keep nobody else waiting', async () => {
    const hang = vi.fn<RequestListener>();
    const jwksUrl = await serveKeys(hang);
    const door = gate({}, { jwksUrl });
    const waiting = door
      .check(question(await sign({}, p256.privateKey, 'ES256', 'a')))
      .catch((error: unknown) => error);
    await vi.waitFor(() => expect(hang).toHaveBeenCalled());
    await door.check(question(await sign({})));
    door.close();
    expect(await waiting).toEqual(refusal('ACCESS_DENIED'));
  });
});

describe('lists of addresses', () => {
  test('tell who may publish and who may play', async () => {
    const door = gate({ tokenRequired: 'off', publishAllowedIps: ['10.0.0.0/8', '2001:db8::/32'], playAllowedIps: [] });
    const publish = (remoteAddress: string) => door.check(question(undefined, { kind: 'publish', remoteAddress }));
    await publish('10.1.2.3');
    await publish('::ffff:10.1.2.3');
    await publish('10.1.2.3:50000');
    await publish('2001:db8::1');
    await publish('[2001:db8::1]:50000');
    await expect(publish('192.0.2.7')).rejects.toEqual(refusal('ACCESS_DENIED', /may not publish/));
    await expect(publish('')).rejects.toEqual(refusal('ACCESS_DENIED'));
    await door.check(question(undefined));
  });

  test('that can not be read stop the start', () => {
    expect(() => gate({ playAllowedIps: ['10.0.0.0/99'] })).toThrow(/play_allowed_ips: "10.0.0.0\/99"/);
  });
});

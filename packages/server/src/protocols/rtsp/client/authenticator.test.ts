import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { parseAuthentications } from '../wire/authentication.ts';
import { Authenticator } from './authenticator.ts';

const MUFASA = { user: 'Mufasa', password: 'Circle of Life' };
const REQUEST = { method: 'DESCRIBE', uri: 'rtsp://h/live', body: '' };

function answered(authenticator: Authenticator, request = REQUEST): ReadonlyMap<string, string> {
  const [found] = parseAuthentications(authenticator.authorization(request) ?? '');
  return found?.parameters ?? new Map();
}

function hash(algorithm: 'md5' | 'sha256', ...parts: (string | undefined)[]): string {
  return createHash(algorithm).update(parts.join(':')).digest('hex');
}

test('nothing is signed before the server asks for it, nor without credentials', () => {
  expect(new Authenticator(MUFASA).authorization(REQUEST)).toBeUndefined();
  const without = new Authenticator(undefined);
  expect(without.challenge(['Basic realm="x"'])).toBe('no-credentials');
  expect(without.authorization(REQUEST)).toBeUndefined();
});

test('the answer of RFC 2069 has neither qop nor cnonce', () => {
  const authenticator = new Authenticator(MUFASA);
  expect(authenticator.challenge(['Digest realm="r", nonce="n"'])).toBe('again');
  const fields = answered(authenticator);
  const a1 = hash('md5', 'Mufasa', 'r', 'Circle of Life');
  expect(fields.get('response')).toBe(hash('md5', a1, 'n', hash('md5', 'DESCRIBE', 'rtsp://h/live')));
  expect([...fields.keys()]).toEqual(['username', 'realm', 'nonce', 'uri', 'response']);
});

test.each([
  ['SHA-256', 'sha256'],
  ['MD5', 'md5'],
] as const)('qop=auth with %s counts its requests', (name, algorithm) => {
  const authenticator = new Authenticator(MUFASA);
  authenticator.challenge([`Digest realm="r", nonce="n", qop="auth-int, auth", algorithm=${name}, opaque="o"`]);
  answered(authenticator);
  const fields = answered(authenticator);
  const a1 = hash(algorithm, 'Mufasa', 'r', 'Circle of Life');
  const a2 = hash(algorithm, 'DESCRIBE', 'rtsp://h/live');
  expect(fields.get('response')).toBe(hash(algorithm, a1, 'n', '00000002', fields.get('cnonce'), 'auth', a2));
  expect(fields.get('nc')).toBe('00000002');
  expect(fields.get('algorithm')).toBe(name);
  expect(fields.get('opaque')).toBe('o');
});

test('sessions and bodies go into the hash where the server wants it', () => {
  const authenticator = new Authenticator(MUFASA);
  authenticator.challenge(['Digest realm="r", nonce="n", qop="auth-int", algorithm=MD5-sess']);
  const fields = answered(authenticator, { ...REQUEST, body: 'v=0' });
  const cnonce = fields.get('cnonce');
  const a1 = hash('md5', hash('md5', 'Mufasa', 'r', 'Circle of Life'), 'n', cnonce);
  const a2 = hash('md5', 'DESCRIBE', 'rtsp://h/live', hash('md5', 'v=0'));
  expect(fields.get('response')).toBe(hash('md5', a1, 'n', '00000001', cnonce, 'auth-int', a2));
});

test('of several challenges the strongest is answered, however they are spread over headers', () => {
  const authenticator = new Authenticator(MUFASA);
  const outcome = authenticator.challenge([
    'Basic realm="r", Digest realm="r", nonce="md5", algorithm="MD5"',
    'Digest realm="r", nonce="sha", algorithm=SHA-256',
  ]);
  expect(outcome).toBe('again');
  expect(answered(authenticator).get('nonce')).toBe('sha');
});

test('Basic is answered where nothing else is offered, once', () => {
  const authenticator = new Authenticator({ user: 'Aladdin', password: 'open sesame' });
  expect(authenticator.challenge(['Basic realm="x"'])).toBe('again');
  expect(authenticator.authorization(REQUEST)).toBe('Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==');
  expect(authenticator.challenge(['Basic realm="x"'])).toBe('refused');
  expect(new Authenticator(MUFASA).challenge(['Bearer realm="x"'])).toBe('unsupported');
  expect(new Authenticator(MUFASA).challenge([])).toBe('unsupported');
});

test('a wrong password is refused, although the camera gives a new nonce each time', () => {
  const authenticator = new Authenticator(MUFASA);
  expect(authenticator.challenge(['Digest realm="r", nonce="1"'])).toBe('again');
  expect(authenticator.challenge(['Digest realm="r", nonce="2"'])).toBe('refused');
});

test('a nonce that ran out is replaced, whether or not the server says that it is stale', () => {
  const authenticator = new Authenticator(MUFASA);
  authenticator.challenge(['Digest realm="r", nonce="1"']);
  authenticator.accepted(undefined);
  expect(authenticator.challenge(['Digest realm="r", nonce="2"'])).toBe('again');
  expect(authenticator.challenge(['Digest realm="r", nonce="3", stale=TRUE'])).toBe('again');
  expect(answered(authenticator).get('nonce')).toBe('3');
});

test('the next nonce that a server announces is used, counted from one', () => {
  const authenticator = new Authenticator(MUFASA);
  authenticator.challenge(['Digest realm="r", nonce="1", qop="auth"']);
  answered(authenticator);
  authenticator.accepted('qop=auth, nextnonce="2"');
  expect(answered(authenticator).get('nonce')).toBe('2');
  expect(answered(authenticator).get('nc')).toBe('00000002');
});

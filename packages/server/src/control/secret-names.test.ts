import { expect, test } from 'vitest';
import { isSecretName, withoutSecretValues } from './secret-names.ts';

test.each([
  'token',
  'authToken',
  'aclAuth',
  'sipPassword',
  'api_token',
  'TOKENS',
  'x-signature',
  'jwt',
  'auth',
  'streamKey',
])('the value of %s is secret', (name) => {
  expect(isSecretName(name)).toBe(true);
});

test.each(['tokenized', 'login', 'name', 'user', 'passenger', 'author', 'monkey'])('the value of %s is not', (name) => {
  expect(isSecretName(name)).toBe(false);
});

test('a name that the settings give is secret too', () => {
  expect(isSecretName('ticket')).toBe(false);
  expect(isSecretName('ticket', new Set(['ticket']))).toBe(true);
});

test('secrets are hidden at any depth, all else stays', () => {
  const fields = { user: 'ann', token: 'abc', more: { list: [{ password: 'x', n: 1 }] }, ticket: 5 };
  expect(withoutSecretValues(fields, new Set(['ticket']))).toEqual({
    user: 'ann',
    token: '***',
    more: { list: [{ password: '***', n: 1 }] },
    ticket: '***',
  });
});

test('what is nested too deeply is hidden as a whole', () => {
  let deep: Record<string, unknown> = { token: 'abc' };
  for (let i = 0; i < 100; i++) deep = { deep };
  expect(JSON.stringify(withoutSecretValues(deep))).not.toContain('abc');
});

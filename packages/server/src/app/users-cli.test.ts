import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Users } from '../control/index.ts';
import { TestLog } from '../core/testing/hub.ts';
import { readPassword } from './read-password.ts';
import { runTokenCli } from './token-cli.ts';
import { runUsersCli } from './users-cli.ts';

const SECRET = 'a secret of thirty-two bytes, or more';

let folder: string;
let out: string;
let err: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'users-cli-'));
  out = '';
  err = '';
});
afterEach(() => rmSync(folder, { recursive: true }));

function context(typed?: string, env: Record<string, string> = {}) {
  return {
    env: { SLUICE_DATA_DIR: folder, ...env },
    out: (text: string) => {
      out += text;
    },
    err: (text: string) => {
      err += text;
    },
    readPassword: async () => typed,
  };
}

const users = (args: string, typed?: string): Promise<number> => runUsersCli(args.split(' '), context(typed));
const stored = (): string => readFileSync(join(folder, 'users.json'), 'utf8');

describe('sluice users', () => {
  test('adds, lists, deactivates, activates and removes', async () => {
    expect(await users('add ann', 'long enough')).toBe(0);
    expect(await users('add bob', 'long enough')).toBe(0);
    expect(await users('deactivate bob')).toBe(0);
    await users('list');
    expect(out).toBe('ann  active\nbob  not active\n');
    expect(await users('activate bob')).toBe(0);
    expect(await users('remove ann')).toBe(0);
    out = '';
    await users('list');
    expect(out).toBe('bob  active\n');
    expect(stored()).not.toContain('long enough');
    expect(err).toBe('');
  });

  test('makes up a password and prints it', async () => {
    expect(await users('add ann --generate')).toBe(0);
    expect(out).toMatch(/^(\w{5}-){3}\w{5}\n$/);
    expect(stored()).not.toContain(out.trim());
  });

  test('changes the password of a server that runs', async () => {
    const server = new Users(join(folder, 'users.json'), new TestLog());
    await server.start();
    await server.makeFirst('');
    const before = await server.find('admin');
    expect(await users('passwd admin', 'long enough')).toBe(0);
    expect((await server.find('admin'))?.passwordHash).not.toBe(before?.passwordHash);
  });

  test.each([
    { args: 'add ann', typed: undefined, code: 1, says: /no password was given/ },
    { args: 'add ann', typed: '', code: 1, says: /no password was given/ },
    { args: 'add ann', typed: 'short', code: 1, says: /less than 8/ },
    { args: 'add ann', typed: 'x'.repeat(257), code: 1, says: /more than 256/ },
    { args: 'add ann', typed: 'with\u0007bell', code: 1, says: /control characters/ },
    { args: 'add a:b', typed: 'long enough', code: 2, says: /letters, digits/ },
    { args: 'add admin', typed: 'long enough', code: 1, says: /already/ },
    { args: 'add ann secret-word', typed: 'long enough', code: 2, says: /a password is no part of it/ },
    { args: 'add', code: 2, says: /users add NAME/ },
    { args: 'list ann', code: 2, says: /users list/ },
    { args: 'list --generate', code: 2, says: /does not go with/ },
    { args: 'passwd nobody', typed: 'long enough', code: 1, says: /there is no user nobody/ },
    { args: 'remove admin', code: 1, says: /last user/ },
    { args: 'deactivate admin', code: 1, says: /last user/ },
    { args: 'ad ann', code: 2, says: /did you mean "add"/ },
    { args: 'list --password=x', code: 2, says: /--password/ },
  ])('refuses "$args" with code $code and changes nothing', async ({ args, typed, code, says }) => {
    await users('add admin', 'long enough');
    const before = stored();
    expect(await users(args, typed)).toBe(code);
    expect(err).toMatch(says);
    expect(err).not.toContain('secret-word');
    expect(stored()).toBe(before);
  });

  test('lists none where there are none yet', async () => {
    expect(await runUsersCli(['list', '--data-dir', join(folder, 'none')], context())).toBe(0);
    expect(out).toMatch(/no users/);
  });

  test('does not show what is typed at a terminal', async () => {
    const input = Object.assign(new PassThrough(), { isTTY: true });
    const output = new PassThrough();
    const password = readPassword('Password: ', { input, output });
    input.write('pass wörd\n');
    expect(await password).toBe('pass wörd');
    expect(String(output.read())).toBe('Password: \n');
  });

  test('takes the first line that is piped in, and none when there is none', async () => {
    const input = new PassThrough();
    input.end('from a pipe\r\nsecond\n');
    expect(await readPassword('', { input, output: new PassThrough() })).toBe('from a pipe');
    const empty = new PassThrough();
    empty.end();
    expect(await readPassword('', { input: empty, output: new PassThrough() })).toBeUndefined();
  });
});

describe('sluice token', () => {
  const token = (args: string, env: Record<string, string> = { SLUICE_STREAM_TOKEN_SECRET: SECRET }) =>
    runTokenCli(args.split(' '), context(undefined, env));

  test('prints a token with what was asked for', async () => {
    const env = { SLUICE_STREAM_TOKEN_SECRET: SECRET, SLUICE_STREAM_TOKEN_ISSUER: 'shop' };
    expect(await token('--stream room* --role play --expires 1h --ip 192.0.2.0/24', env)).toBe(0);
    const claims = JSON.parse(Buffer.from(out.split('.')[1] ?? '', 'base64url').toString()) as Record<string, unknown>;
    expect(claims).toMatchObject({ stream: 'room*', role: 'play', ip: '192.0.2.0/24', iss: 'shop' });
    expect(Number(claims['exp']) - Number(claims['iat'])).toBe(3600);
    expect(err).toMatch(/does not ask for tokens/);
  });

  test.each([
    { args: '--role play --expires 1h', code: 2, says: /--stream/ },
    { args: '--stream a --expires 1h', code: 2, says: /--role is one of/ },
    { args: '--stream a --role admin --expires 1h', code: 2, says: /--role is one of/ },
    { args: '--stream a --role play', code: 2, says: /--expires/ },
    { args: '--stream a --role play --expires 0s', code: 2, says: /--expires/ },
    { args: '--stream a --role play --expires 1000d', code: 2, says: /--expires/ },
    { args: '--stream a --role play --expires soon', code: 2, says: /--expires/ },
    { args: '--stream a --role play --expires 1h --ip here', code: 2, says: /--ip/ },
    { args: '--stream a --role play --expires 1h extra', code: 2, says: /extra/ },
    { args: '--stream a --role play --expires 1h', env: {}, code: 1, says: /no stream_token_secret/ },
    {
      args: '--stream a --role play --expires 1h',
      env: { SLUICE_STREAM_TOKEN_SECRET: 'hunter2' },
      code: 1,
      says: /at least 32/,
    },
  ])('refuses "$args" with code $code', async ({ args, env, code, says }) => {
    expect(await token(args, env)).toBe(code);
    expect(err).toMatch(says);
    expect(err).not.toContain('hunter2');
    expect(out).toBe('');
  });
});

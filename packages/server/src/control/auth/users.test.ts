import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { HashingBusyError, hashPassword, isPasswordHash, randomPassword, verifyPassword } from './password-hash.ts';
import { Witness } from './testing/witness.ts';
import { Users } from './users.ts';
import { createUsers, readUsers, type StoredUser, USERS_FILE, writeUsers } from './users-file.ts';

const HASH = `scrypt$ln=15,r=8,p=1$${'A'.repeat(22)}$${'B'.repeat(43)}`;
const ADMIN: StoredUser = { name: 'admin', passwordHash: HASH, active: true };

let folder: string;
let file: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'users-'));
  file = join(folder, USERS_FILE);
});
afterEach(() => rmSync(folder, { recursive: true }));

describe('passwords', () => {
  test('have a hash that fits them and no other', async () => {
    const hash = await hashPassword('correct horse');
    expect(hash).not.toContain('correct');
    expect(await verifyPassword('correct horse', hash)).toBe(true);
    expect(await verifyPassword('correct horsE', hash)).toBe(false);
    expect(await verifyPassword('', hash)).toBe(false);
    expect(await hashPassword('correct horse')).not.toBe(hash);
  });

  test('are the same however their letters are composed', async () => {
    expect(await verifyPassword('a\u0308', await hashPassword('\u00e4'))).toBe(true);
  });

  test.each([
    '',
    'plain',
    HASH.replace('ln=15', 'ln=30'),
    HASH.replace('r=8', 'r=99'),
    HASH.replace('p=1', 'p=0'),
    HASH.slice(0, -30),
    `${HASH}\n`,
  ])('never fit what is no hash of ours: %j', async (hash) => {
    expect(isPasswordHash(hash)).toBe(false);
    expect(await verifyPassword('', hash)).toBe(false);
  });

  test('are checked one after the other, and beyond a bound not at all', async () => {
    const cheap = HASH.replace('ln=15', 'ln=10');
    const outcomes = await Promise.allSettled(Array.from({ length: 100 }, () => verifyPassword('x', cheap)));
    const refused = outcomes.filter(({ status }) => status === 'rejected');
    expect(refused).toHaveLength(100 - 32);
    expect(refused[0]).toMatchObject({ reason: expect.any(HashingBusyError) });
    expect(await verifyPassword('x', cheap)).toBe(false);
  });

  test('that are made up are long, easy to type and never the same', () => {
    const made = Array.from({ length: 100 }, randomPassword);
    for (const password of made) expect(password).toMatch(/^([a-km-np-z2-9]{5}-){3}[a-km-np-z2-9]{5}$/);
    expect(new Set(made).size).toBe(100);
  });
});

describe('the file of the users', () => {
  test('can be read by its owner only, and is written whole', async () => {
    await writeUsers(file, [ADMIN]);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(await readUsers(file)).toEqual([ADMIN]);
    chmodSync(file, 0o644);
    await writeUsers(file, [ADMIN, { ...ADMIN, name: 'second', active: false }]);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(await readUsers(file)).toHaveLength(2);
    expect(readdirSync(folder)).toEqual([USERS_FILE]);
  });

  test('is not made over one that is there', async () => {
    expect(await createUsers(file, [ADMIN])).toBe(true);
    expect(await createUsers(file, [])).toBe(false);
    expect(await readUsers(file)).toEqual([ADMIN]);
    expect(readdirSync(folder)).toEqual([USERS_FILE]);
  });

  test.each([
    ['nothing', ''],
    ['no JSON', `{"users": "${HASH}`],
    ['a list', '[]'],
    ['null', 'null'],
    ['another version', '{"version":2,"users":[]}'],
    ['users that are no list', '{"version":1,"users":{}}'],
    ['a user without a hash', '{"version":1,"users":[{"name":"a","active":true}]}'],
    ['a plain password', '{"version":1,"users":[{"name":"a","password":"secret","active":true}]}'],
    ['a name with a colon', JSON.stringify({ version: 1, users: [{ name: 'a:b', password: HASH, active: true }] })],
    ['an empty name', JSON.stringify({ version: 1, users: [{ name: '', password: HASH, active: true }] })],
    ['active as text', JSON.stringify({ version: 1, users: [{ name: 'a', password: HASH, active: 'true' }] })],
    ['a user twice', JSON.stringify({ version: 1, users: Array(2).fill({ name: 'a', password: HASH, active: true }) })],
    ['two megabytes', ' '.repeat(2_000_000)],
    ['a million users', JSON.stringify({ version: 1, users: Array(1001).fill(1) })],
  ])('with %s can not be used, and the error shows nothing of it', async (_what, text) => {
    writeFileSync(file, text);
    const error = await readUsers(file).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: 'CONFIG_INVALID', message: expect.stringContaining(file) });
    expect(String(error)).not.toMatch(/secret|BBBB/);
  });

  test('may be absent, but not a folder', async () => {
    expect(await readUsers(file)).toBeUndefined();
    await expect(readUsers(folder)).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
  });
});

describe('the users of a server', () => {
  const witness = new Witness();
  const users = async (): Promise<Users> => {
    const made = new Users(file, witness.log);
    await made.start();
    return made;
  };

  test('begin with admin, whose made-up password is told once', async () => {
    const first = await users();
    expect(await first.find('admin')).toBeUndefined();
    const password = await first.makeFirst('');
    const admin = await first.find('admin');
    expect(await verifyPassword(password ?? '', admin?.passwordHash ?? '')).toBe(true);
    expect(readFileSync(file, 'utf8')).not.toContain(password);
    expect(await first.makeFirst('')).toBeUndefined();
    expect(await (await users()).makeFirst('')).toBeUndefined();
    expect(witness.lines).toEqual([]);
  });

  test('can be given the first password, which is not told and not looked at later', async () => {
    const first = await users();
    expect(await first.makeFirst('given by the settings')).toBeUndefined();
    const hash = (await first.find('admin'))?.passwordHash;
    expect(await verifyPassword('given by the settings', hash ?? '')).toBe(true);
    await first.makeFirst('another one');
    expect((await first.find('admin'))?.passwordHash).toBe(hash);
  });

  test('are not begun with a password that is too short', async () => {
    await expect((await users()).makeFirst('short')).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
    expect(existsSync(file)).toBe(false);
  });

  test('change with the file, at the next question', async () => {
    await writeUsers(file, [ADMIN]);
    const known = await users();
    await writeUsers(file, [{ ...ADMIN, active: false }]);
    expect((await known.find('admin'))?.active).toBe(false);
    rmSync(file);
    expect(await known.find('admin')).toBeUndefined();
    await writeUsers(file, [ADMIN]);
    expect(await known.find('admin')).toEqual(ADMIN);
  });

  test('stay as they are when the file is spoilt, and the log says so', async () => {
    await writeUsers(file, [ADMIN]);
    const known = await users();
    writeFileSync(file, '{"version":1,');
    expect(await known.find('admin')).toEqual(ADMIN);
    expect(witness.lines.join()).toContain('it is not JSON');
    await writeUsers(file, []);
    expect(await known.find('admin')).toBeUndefined();
  });

  test('must be readable at the start', async () => {
    writeFileSync(file, 'spoilt');
    await expect(users()).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
  });
});

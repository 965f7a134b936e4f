import { mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Log } from '../../../core/index.ts';
import { ApplicationStore } from './application-store.ts';

let folder: string;
let file: string;
let stores: ApplicationStore[];
let errors: string[];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'applications-'));
  file = join(folder, 'applications.json');
  stores = [];
  errors = [];
});

afterEach(() => {
  for (const store of stores) store.close();
  rmSync(folder, { recursive: true });
});

function open(): ApplicationStore {
  const silent = (): void => {};
  const error = (fields: object): void => void errors.push(JSON.stringify(fields));
  const log: Log = { child: () => log, debug: silent, info: silent, warn: silent, error };
  const store = new ApplicationStore({ file, log, pollIntervalMs: 10 });
  stores.push(store);
  return store;
}

describe('the file of applications', () => {
  it('is made by the first change, and has what all stores of that file then have', async () => {
    const store = open();
    expect(readdirSync(folder)).toEqual([]);
    await store.add({ name: 'shop', appKey: 'key', url: 'http://127.0.0.1/x', restPassword: 'p' });
    expect(readdirSync(folder)).toEqual(['applications.json']);
    const other = open();
    expect(other.get('key')).toEqual(store.get('key'));
    expect(other.get('key')).toMatchObject({ name: 'shop', restPassword: 'p', owner: '' });
    expect(other.get('defaultApp')).toMatchObject({ url: '' });
    expect(other.get('key')?.restMethods).not.toContain('StreamKeepAliveEvent');
  });

  it('keeps what two programs change at once', async () => {
    const [one, two] = [open(), open()];
    const names = Array.from({ length: 10 }, (_, i) => `app${i}`);
    await Promise.all(names.map((name, i) => (i % 2 ? one : two).add({ name, appKey: name })));
    const keys = open()
      .all()
      .map(({ appKey }) => appKey);
    expect(keys).toEqual(expect.arrayContaining(names));
  });

  it('is taken over from a program that died while it wrote', async () => {
    writeFileSync(`${file}.new`, 'half');
    const longAgo = Date.now() / 1000 - 60;
    utimesSync(`${file}.new`, longAgo, longAgo);
    await open().add({ name: 'a', appKey: 'a' });
    expect(open().get('a')).toBeDefined();
  });

  it('is read again when another program changes it', async () => {
    const store = open();
    store.start();
    const changed = vi.fn();
    store.onChange(changed);
    await open().add({ name: 'late', appKey: 'late' });
    await vi.waitFor(() => expect(store.get('late')).toBeDefined());
    expect(changed).toHaveBeenCalled();
    await open().remove('late');
    await vi.waitFor(() => expect(store.get('late')).toBeUndefined());
  });

  it('that vanishes while the server runs changes nothing: back ends go on to be asked', async () => {
    const store = open();
    await store.add({ name: 'shop', appKey: 'key', url: 'http://127.0.0.1/x' });
    let changes = 0;
    store.onChange(() => changes++);
    store.start();
    await vi.waitFor(() => expect(changes).toBe(1));
    rmSync(file);
    await vi.waitFor(() => expect(errors).toHaveLength(1));
    expect(errors[0]).toContain('applications.json is gone');
    expect(store.get('key')).toMatchObject({ url: 'http://127.0.0.1/x' });
    await store.add({ name: 'other', appKey: 'other' });
    expect(open().get('key')).toMatchObject({ url: 'http://127.0.0.1/x' });
  });

  it('that breaks while the server runs changes nothing, and is told of once', async () => {
    const store = open();
    await store.add({ name: 'shop', appKey: 'key' });
    store.start();
    writeFileSync(`${file}.other`, '{"applications":');
    renameSync(`${file}.other`, file);
    await vi.waitFor(() => expect(errors).toHaveLength(1));
    expect(errors[0]).toContain(file);
    expect(store.get('key')).toBeDefined();
    writeFileSync(file, JSON.stringify({ applications: [{ name: 'new', appKey: 'new' }] }));
    await vi.waitFor(() => expect(store.get('new')).toBeDefined());
    expect(errors).toHaveLength(1);
  });

  it.each([
    ['', 'Unexpected end of JSON input'],
    ['[]', 'it has no list "applications"'],
    ['{"applications":[{"appKey":"a"}]}', 'entry 1: an application has no name'],
    ['{"applications":[{"name":"a","appKey":"a"},{"name":"b"}]}', 'entry 2: application "b" has no appKey'],
    ['{"applications":[{"name":"a","appKey":"a","urls":""}]}', 'entry 1: application "a" has a field "urls"'],
    ['{"applications":[{"name":"a","appKey":"a","url":"file:///etc"}]}', 'must begin with http:// or https://'],
    ['{"applications":[{"name":"a","appKey":"a","url":"http://u:p@h/"}]}', 'has a password in it'],
    ['{"applications":[{"name":"a","appKey":"a","url":"http://h/?x=1"}]}', 'has a "?" or "#"'],
    ['{"applications":[{"name":"a","appKey":"a","restMethods":["nope"]}]}', 'has "nope", which is no hook'],
    ['{"applications":[{"name":"a","appKey":"a","restUsername":"a:b"}]}', 'has a colon'],
    ['{"applications":[{"name":"a","appKey":"a"},{"name":"b","appKey":"a"}]}', 'two applications have the appKey "a"'],
  ])('that is %s is refused with its name and what is wrong', (text, why) => {
    writeFileSync(file, text);
    expect(() => open()).toThrow(
      expect.objectContaining({ code: 'CONFIG_INVALID', message: expect.stringContaining(why) }),
    );
    expect(() => open()).toThrow(file);
  });

  it('is not changed by what can not be', async () => {
    const store = open();
    await store.add({ name: 'a', appKey: 'a' });
    const before = readFileSync(file, 'utf8');
    await expect(store.add({ name: 'a', appKey: 'b' })).rejects.toMatchObject({ statusCode: 409 });
    await expect(store.update({ name: 'nobody' })).rejects.toMatchObject({ statusCode: 404 });
    await expect(store.update({ name: 'a', url: 'x' })).rejects.toMatchObject({ statusCode: 400 });
    expect(readFileSync(file, 'utf8')).toBe(before);
    expect(readdirSync(folder)).toEqual(['applications.json']);
  });
});

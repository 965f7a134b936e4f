import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { runAppsCli } from './apps-cli.ts';
import { runCli } from './cli.ts';

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'apps-'));
});

afterEach(() => rmSync(folder, { recursive: true }));

interface Outcome {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

async function apps(
  args: readonly string[],
  { env = {}, input = '' }: { env?: Record<string, string>; input?: string } = {},
): Promise<Outcome> {
  const texts = { out: '', err: '' };
  const code = await runAppsCli(args, {
    env: { SLUICE_DATA_DIR: folder, ...env },
    out: (text) => (texts.out += text),
    err: (text) => (texts.err += text),
    readInput: async () => input,
  });
  return { code, ...texts };
}

interface Stored {
  readonly name: string;
  readonly appKey: string;
  readonly restPassword: string;
  readonly restMethods: readonly string[];
}

function stored(name: string): Stored | undefined {
  const { applications } = JSON.parse(readFileSync(join(folder, 'applications.json'), 'utf8')) as {
    applications: Stored[];
  };
  return applications.find((application) => application.name === name);
}

const SHOP = ['add', 'shop', '--key', 'shopKey', '--url', 'http://127.0.0.1:3000/hooks'];

describe('sluice apps', () => {
  it('lists the applications that clients of WCS expect, before anybody has made one', async () => {
    const { code, out } = await apps(['list']);
    expect(code).toBe(0);
    expect(out).toContain('NAME               KEY                BACK END\n');
    for (const key of ['defaultApp', 'flashStreamingApp', 'roomApp', 'clickToCallApp']) {
      expect(out).toMatch(new RegExp(`^${key} +${key} +- \\(everything is allowed\\)$`, 'm'));
    }
  });

  it('makes, shows, changes and removes an application', async () => {
    expect((await apps(SHOP)).out).toBe(
      'name      shop\nkey       shopKey\nback end  http://127.0.0.1:3000/hooks\nmethods   all but StreamKeepAliveEvent\n',
    );
    expect((await apps(['list'])).out).toMatch(/^shop +shopKey +http:\/\/127.0.0.1:3000\/hooks$/m);
    expect((await apps(['update', 'shop', '-l', 'https://example.com/', '-o', 'Ann'])).out).toContain('Ann');
    expect((await apps(['show', 'shopKey'])).out).toContain('back end  https://example.com/\n');
    expect(await apps(['remove', 'shop'])).toEqual({ code: 0, out: 'removed shop\n', err: '' });
    expect(await apps(['show', 'shop'])).toEqual({
      code: 1,
      out: '',
      err: 'sluice: there is no application "shop"\n',
    });
    expect((await apps(['list'])).out).toContain('defaultApp');
  });

  it('takes passwords in three ways and never shows them', async () => {
    await apps([...SHOP, '--user', 'u', '--password', 'one-secret']);
    expect(stored('shop')?.restPassword).toBe('one-secret');
    await apps(['update', 'shop', '--password-stdin'], { input: 'two-secret\n' });
    expect(stored('shop')?.restPassword).toBe('two-secret');
    await apps(['update', 'shop', '--user', 'v'], { env: { SLUICE_APP_PASSWORD: 'three-secret' } });
    expect(stored('shop')?.restPassword).toBe('three-secret');
    await apps(['update', 'shop', '--owner', 'x'], { env: { SLUICE_APP_PASSWORD: 'other' } });
    expect(stored('shop')?.restPassword).toBe('three-secret');
    const shown =
      (await apps(['show', 'shop'])).out + (await apps(['list'])).out + (await apps(['methods', 'shop'])).out;
    expect(shown).toContain('password  set\n');
    expect(shown).not.toContain('secret');
    expect(statSync(join(folder, 'applications.json')).mode & 0o777).toBe(0o600);
  });

  it('adds and removes hooks', async () => {
    await apps(SHOP);
    const shown = await apps(['methods', 'shop', '--add', 'StreamKeepAliveEvent', '--remove', 'connect,playStream']);
    expect(shown.out).toContain('+ StreamKeepAliveEvent\n');
    expect(shown.out).toContain('- connect\n');
    expect((await apps(['methods', 'shop'])).out).toBe(shown.out);
    expect(stored('shop')?.restMethods).not.toContain('playStream');
    await apps(['methods', 'shop', '--remove-all', '--add', 'connect']);
    expect(stored('shop')?.restMethods).toEqual(['connect']);
    expect((await apps(['methods', 'shop', '--add-all'])).out).not.toContain('- ');
    expect((await apps(['show', 'shop'])).out).toContain('methods   all\n');
  });

  it.each([
    [['lst'], 2, 'there is no command "apps lst"; did you mean "apps list"? (see sluice apps --help)'],
    [['list', '--key', 'x'], 2, '--key does not go with "apps list"; see sluice apps --help'],
    [['list', 'x'], 2, '"apps list" does not take "x"'],
    [['show'], 2, '"apps show" needs the name of an application'],
    [['add', 'x'], 2, '"apps add" needs --key, by which clients name the application'],
    [['add', 'x', '--ky', 'y'], 2, 'there is no option --ky; did you mean --key? (see sluice apps --help)'],
    [['methods', 'defaultApp', '--add', 'conect'], 2, 'there is no hook "conect"; did you mean "connect"?'],
    [['show', 'defaultAp'], 1, 'there is no application "defaultAp"; did you mean "defaultApp"?'],
    [['add', 'x', '--key', 'defaultApp'], 1, 'two applications have the appKey "defaultApp"'],
    [['add', 'x', '--key', 'x', '--url', 'ftp://h/'], 1, 'url of application "x" must begin with http:// or https://'],
    [['update', 'defaultApp', '--url', 'h'], 1, 'url of application "defaultApp" is not a URL'],
  ])('answers %j in one line', async (args, code, message) => {
    expect(await apps(args)).toEqual({ code, out: '', err: `sluice: ${message}\n` });
  });

  it('names the file that can not be used, and leaves it alone', async () => {
    const file = join(folder, 'applications.json');
    writeFileSync(file, '{"applications":[{"name":"a","appKey":"a","url":"nowhere"}]}');
    expect((await apps(['list'])).err).toBe(`sluice: ${file}: entry 1: url of application "a" is not a URL\n`);
    expect(await apps(SHOP)).toMatchObject({ code: 1 });
    expect(readFileSync(file, 'utf8')).toContain('nowhere');
  });

  it('is reached from the command line, with help', async () => {
    const lines: string[] = [];
    const context = { env: {}, out: (text: string) => void lines.push(text), err: () => {} };
    expect(await runCli(['apps', '--help'], context)).toBe(0);
    expect(lines.join('')).toContain('Usage: sluice apps <command>');
    expect(await runCli(['--help'], context)).toBe(0);
    expect(lines.join('')).toContain('  apps          list and change applications');
  });
});

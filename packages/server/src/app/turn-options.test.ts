import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { MediaServerError } from '../core/index.ts';
import { loadSettings, type Settings } from './settings/index.ts';
import { turnIceServers, turnOptions } from './turn-options.ts';

const IDENTITY = { cert: 'a certificate', key: 'a key' };

let dataDir: string;

beforeEach(() => {
  dataDir = mkdtempSync(join(tmpdir(), 'turn-options-'));
});

afterEach(() => rmSync(dataDir, { recursive: true }));

function settingsOf(changes: Record<string, string> = {}): Settings {
  return loadSettings({ env: {}, sets: Object.entries(changes).map(([name, value]) => `${name}=${value}`) }).settings;
}

function optionsOf(changes: Record<string, string> = {}, identity: typeof IDENTITY | undefined = IDENTITY) {
  return turnOptions(settingsOf(changes), { dataDir, host: '::', identity, addresses: ['203.0.113.5'] });
}

it('has the user and password of WCS, unless the settings have others or none', () => {
  expect(optionsOf()).toMatchObject({
    host: '::',
    port: 3478,
    securePort: 5349,
    identity: IDENTITY,
    realm: 'sluice',
    user: { name: 'flashphoner', password: 'coM77EMrV7Cwhyan' },
    credentialLifetimeS: 86_400,
    addresses: ['203.0.113.5'],
  });
  expect(optionsOf({ turn_password: 'own' })?.user).toEqual({ name: 'flashphoner', password: 'own' });
  expect(optionsOf({ turn_user: '' })?.user).toBeUndefined();
});

it('is off when it is turned off, or has no port to listen on', () => {
  expect(optionsOf({ turn_enabled: 'false' })).toBeUndefined();
  expect(optionsOf({ turn_port: '0', turns_port: '0' })).toBeUndefined();
  expect(turnOptions(settingsOf({ turn_port: '0' }), { dataDir, host: '::', identity: undefined })).toBeUndefined();
  expect(optionsOf({ turn_port: '0' })).toMatchObject({ port: 0, securePort: 5349 });
});

it('makes a secret once, and keeps it where nobody else can read it', () => {
  const file = join(dataDir, 'turn.secret');
  const secret = optionsOf()?.secret;
  expect(Buffer.from(secret ?? '', 'base64url')).toHaveLength(32);
  expect(readFileSync(file, 'utf8').trim()).toBe(secret);
  expect(statSync(file).mode & 0o777).toBe(0o600);
  expect(optionsOf()?.secret).toBe(secret);
  writeFileSync(file, '\n', { mode: 0o644 });
  expect(optionsOf()?.secret).not.toBe(secret);
  expect(optionsOf()?.secret).toHaveLength(43);
  expect(statSync(file).mode & 0o777).toBe(0o600);
});

it('takes the secret of the settings and then makes none', () => {
  expect(optionsOf({ turn_secret: 'shared' })?.secret).toBe('shared');
  expect(statSync(join(dataDir, 'turn.secret'), { throwIfNoEntry: false })).toBeUndefined();
});

it('says what to set when the secret can not be kept', () => {
  const notFolder = join(dataDir, 'file');
  writeFileSync(notFolder, '');
  const place = { dataDir: notFolder, host: '::', identity: undefined };
  expect(() => turnOptions(settingsOf(), place)).toThrow(MediaServerError);
  expect(() => turnOptions(settingsOf(), place)).toThrow(/turn_secret/);
});

it('tells clients of the TURN server at the address of the settings, else where they found this server', () => {
  const turn = { iceServers: (host: string) => [{ url: `stun:${host}:3478` }] };
  expect(turnIceServers(settingsOf({ ip: '203.0.113.5' }), turn)('localhost')).toEqual([
    { url: 'stun:203.0.113.5:3478' },
  ]);
  expect(turnIceServers(settingsOf(), turn)('media.example.net')).toEqual([{ url: 'stun:media.example.net:3478' }]);
  expect(turnIceServers(settingsOf(), undefined)('localhost')).toEqual([]);
});

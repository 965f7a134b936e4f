import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SettingsBody } from '@sluice/contract';
import Value from 'typebox/value';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { loadSettings } from './load.ts';
import { SETTING_NAMES } from './schema.ts';
import { viewSettings } from './view.ts';

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-view-'));
});

afterEach(() => rmSync(folder, { recursive: true }));

it('the view of settings tells each value and where it comes from', () => {
  const file = join(folder, 'sluice.properties');
  writeFileSync(file, '# mine\nhls_time_min=1500\nno_such_setting=1\n');
  const env = { SLUICE_MAX_STREAMS: '7' };
  const body = viewSettings(loadSettings({ file, env, sets: ['rtmp.port=0'] }), file);
  const row = (name: string) => body.settings.find((setting) => setting.name === name);
  expect(Value.Check(SettingsBody, body)).toBe(true);
  expect(body.settings.map(({ name }) => name)).toEqual(SETTING_NAMES);
  expect(body.file).toBe(file);
  expect(body.warnings.join()).toContain('no_such_setting');
  expect(row('hls_time_min')).toMatchObject({ value: '1500', from: 'file', origin: `${file}:2`, unit: 'ms' });
  expect(row('max_streams')).toMatchObject({ value: '7', from: 'environment', origin: 'SLUICE_MAX_STREAMS' });
  expect(row('rtmp.port')).toMatchObject({ value: '0', default: '1935', from: 'command line', group: 'RTMP' });
  expect(row('ip')).toMatchObject({ value: '', from: 'default', origin: 'default' });
});

it('the view of settings has no password of a URL', () => {
  const loaded = loadSettings({ env: {}, sets: [] });
  const settings = { ...loaded.settings, ip: 'rtmp://user:word@media.example/live' };
  const body = viewSettings({ ...loaded, settings }, undefined);
  expect(JSON.stringify(body)).not.toContain('word@');
  expect(body.settings.find(({ name }) => name === 'ip')?.value).toBe('rtmp://******@media.example/live');
});

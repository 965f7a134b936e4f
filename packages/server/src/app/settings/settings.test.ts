import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, expectTypeOf, test } from 'vitest';
import {
  closestName,
  type LoadedSettings,
  loadSettings,
  parseHeaderList,
  renderSettings,
  renderSettingsReference,
  type Settings,
  SettingsError,
} from './index.ts';
import { ALIASES, environmentName, SETTING_NAMES, settingEntry } from './schema.ts';
import type { SettingEntry } from './setting-entry.ts';
import { formatValue, parseValue } from './value.ts';
import { UNSUPPORTED_WCS_NAMES } from './wcs-names.ts';

let folder = '';
let file = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-settings-'));
  file = join(folder, 'sluice.properties');
});
afterAll(() => rmSync(folder, { recursive: true }));

interface Sources {
  readonly text?: string | Uint8Array;
  readonly env?: Record<string, string>;
  readonly sets?: readonly string[];
}

function load({ text, env = {}, sets = [] }: Sources): LoadedSettings {
  if (text !== undefined) writeFileSync(file, text);
  return loadSettings({ file: text === undefined ? undefined : file, env, sets });
}

/** The problems that loading gives, with the file's name shortened. */
function problemsOf(sources: Sources): readonly string[] {
  try {
    load(sources);
  } catch (error) {
    if (error instanceof SettingsError) return error.problems.map((problem) => problem.replace(file, 'FILE'));
    throw error;
  }
  return [];
}

function warningsOf(sources: Sources): readonly string[] {
  return load(sources).warnings.map((warning) => warning.replace(file, 'FILE'));
}

describe('the schema', () => {
  test('gives each setting its own type', () => {
    expectTypeOf<Settings['rtmp.port']>().toEqualTypeOf<number>();
    expectTypeOf<Settings['hls_auto_start']>().toEqualTypeOf<boolean>();
    expectTypeOf<Settings['hls_container']>().toEqualTypeOf<'fmp4' | 'ts'>();
    expectTypeOf<Settings['keep_alive.enabled']>().toEqualTypeOf<readonly string[]>();
    expectTypeOf<Settings['ip']>().toEqualTypeOf<string>();
  });

  test.each(SETTING_NAMES)('%s has a default that its own type allows', (name) => {
    const entry = settingEntry(name);
    expect(parseValue(entry, formatValue(entry, entry.default))).toEqual({ value: entry.default });
    expect(entry.doc).toMatch(/\.$/);
  });

  test('has no name twice: neither as an alias, nor as an unsupported one, nor as a variable', () => {
    const names = [...SETTING_NAMES, ...UNSUPPORTED_WCS_NAMES, ...Object.keys(ALIASES)];
    expect(new Set(names).size).toBe(names.length);
    expect(new Set(SETTING_NAMES.map(environmentName)).size).toBe(SETTING_NAMES.length);
    expect([...UNSUPPORTED_WCS_NAMES].filter((name) => !/^[a-z][a-z0-9_.]*$/.test(name))).toEqual([]);
  });
});

describe('loadSettings', () => {
  test('gives the defaults when there is nothing else', () => {
    const { settings, origins, warnings } = load({});
    expect(settings['http.port']).toBe(8081);
    expect(settings['hls.port']).toBe(8082);
    expect(settings['rtmp.port']).toBe(1935);
    expect(settings['keep_alive.enabled']).toEqual(['websocket', 'rtmp', 'rtmfp']);
    expect(new Set(origins.values())).toEqual(new Set(['default']));
    expect(warnings).toEqual([]);
    expect(Object.keys(settings)).toEqual([...SETTING_NAMES]);
    expect(Object.isFrozen(settings)).toBe(true);
  });

  test('takes the file over defaults, the environment over the file, the command line over all', () => {
    const text = 'rtmp.port=1\nhls.port=2\nhttp.port=3\n';
    const env = {
      SLUICE_HLS_PORT: '20',
      SLUICE_HTTP_PORT: '30',
      SLUICE_DATA_DIR: 'x',
      SLUICE_NATIVE: 'off',
      PATH: '/bin',
    };
    const { settings, origins, warnings } = load({ text, env, sets: ['http.port=299', 'http.port = 300'] });
    expect([settings['rtmp.port'], settings['hls.port'], settings['http.port']]).toEqual([1, 20, 300]);
    expect(origins.get('rtmp.port')).toBe(`${file}:1`);
    expect(origins.get('hls.port')).toBe('SLUICE_HLS_PORT');
    expect(origins.get('http.port')).toBe('--set');
    expect(warnings).toEqual([]);
  });

  test('reads every type', () => {
    const text = [
      'hls_auto_start=TRUE',
      'hls_container=TS',
      'keep_alive.enabled=websocket, rtmfp',
      'keep_alive.algorithm=none',
      'hls_time_min=+500',
      'bind_address=127.0.0.1',
      'ip=media.example.com',
      'hls_access_control_headers=A: 1; B: x,y',
    ].join('\n');
    expect(load({ text }).settings).toMatchObject({
      hls_auto_start: true,
      hls_container: 'ts',
      'keep_alive.enabled': ['websocket', 'rtmfp'],
      'keep_alive.algorithm': 'NONE',
      hls_time_min: 500,
      bind_address: '127.0.0.1',
      ip: 'media.example.com',
      hls_access_control_headers: 'A: 1; B: x,y',
    });
  });

  test('reads a file with a byte-order mark, CRLF and Latin-1', () => {
    expect(load({ text: '\uFEFFrtmp.port=5\r\n' }).settings['rtmp.port']).toBe(5);
    const text = Buffer.from('media_dir=/médias\n', 'latin1');
    expect(load({ text }).settings.media_dir).toBe('/médias');
  });

  test('understands aliases, also together with the name itself', () => {
    const sources = { text: 'rtmp_port=5\nrtmp.port=6\n' };
    expect(load(sources).settings['rtmp.port']).toBe(6);
    expect(warningsOf(sources)).toEqual(['FILE:2: rtmp.port was set before in line 1; this one counts']);
  });

  test.each([
    ['rtmp.port=x', 'rtmp.port: "x" is not allowed; it must be a port from 1 to 65535, or 0 for off'],
    ['rtmp.port=65536', 'rtmp.port: "65536" is not allowed; it must be a port from 1 to 65535, or 0 for off'],
    ['rtmp.port=', 'rtmp.port: "" is not allowed; it must be a port from 1 to 65535, or 0 for off'],
    ['hls_list_size=2', 'hls_list_size: "2" is not allowed; it must be a whole number from 3 to 10000 (segments)'],
    ['hls_list_size=1e3', 'hls_list_size: "1e3" is not allowed; it must be a whole number from 3 to 10000 (segments)'],
    ['hls_list_size=9.5', 'hls_list_size: "9.5" is not allowed; it must be a whole number from 3 to 10000 (segments)'],
    ['hls_auto_start=yes', 'hls_auto_start: "yes" is not allowed; it must be true or false'],
    ['hls_container=mkv', 'hls_container: "mkv" is not allowed; it must be one of fmp4, ts'],
    [
      'keep_alive.enabled=rtmp,sip',
      'keep_alive.enabled: "rtmp,sip" is not allowed; it must be a list separated by commas of websocket, rtmp, rtmfp',
    ],
    ['bind_address=here', 'bind_address: "here" is not allowed; it must be an IPv4 or IPv6 address'],
    ['ip=a b', 'ip: "a b" is not allowed; it must be an address or a host name, or nothing'],
    [
      'rest_access_control_headers=nonsense',
      'rest_access_control_headers: "nonsense" is not allowed; it must be headers as Name: value, separated by ;',
    ],
    [
      'rest_access_control_headers=A: 1\\r\\nB: 2',
      'rest_access_control_headers: "A: 1\\r\\nB: 2" is not allowed; it must be headers as Name: value, separated by ;',
    ],
    ['=5', 'there is no name before the ='],
  ])('refuses %s with one clear line', (line, problem) => {
    expect(problemsOf({ text: `# first\n${line}\n` })).toEqual([`FILE:2: ${problem}`]);
  });

  test('names variable and option where the value came from there', () => {
    const sources = { env: { SLUICE_HLS_LIST_SIZE: 'x' }, sets: ['hls_time_min=y', 'hls_time_min'] };
    expect(problemsOf(sources)).toEqual([
      expect.stringMatching(/^SLUICE_HLS_LIST_SIZE: hls_list_size: "x" is not allowed/),
      expect.stringMatching(/^--set: hls_time_min: "y" is not allowed/),
      '--set "hls_time_min": write it as --set name=value',
    ]);
  });

  test('refuses ports that collide, unless they are off, and bounds that cross', () => {
    expect(problemsOf({ text: 'http.port=1935' })).toEqual([
      'default: rtmp.port: port 1935 is already that of http.port',
    ]);
    expect(problemsOf({ text: 'http.port=0\nrtmp.port=0\nhls.port=0' })).toEqual([]);
    expect(problemsOf({ text: 'hls_time_min=3000\nhls_max_segment_time=2000' })).toEqual([
      'FILE:1: hls_time_min: 3000 is more than hls_max_segment_time, which is 2000',
    ]);
  });

  test('passes over unknown names with a warning and suggests the nearest one', () => {
    expect(warningsOf({ text: 'rtmp.prot=1\nzzz=2\nhls-list-size=3\nrecord_mixer_streams=x' })).toEqual([
      'FILE:1: rtmp.prot is no known setting; it is passed over; did you mean rtmp.port?',
      'FILE:2: zzz is no known setting; it is passed over',
      'FILE:3: hls-list-size is no known setting; it is passed over; did you mean hls_list_size?',
      'FILE:4: record_mixer_streams is a known WCS setting, not supported yet; it is passed over',
    ]);
    expect(warningsOf({ env: { SLUICE_RTMP_PROT: '1', SLUICE_ZZZ: '1', SLUICE_RECORD_MIXER_STREAMS: 'x' } })).toEqual([
      'SLUICE_RTMP_PROT: there is no such setting; did you mean SLUICE_RTMP_PORT?',
      'SLUICE_ZZZ: there is no such setting',
      'SLUICE_RECORD_MIXER_STREAMS: record_mixer_streams is a known WCS setting, not supported yet; it is passed over',
    ]);
  });

  test('is not led astray by the names of object members', () => {
    const { warnings } = load({ text: '__proto__=1\nconstructor=2\ntoString=3', env: { SLUICE___PROTO__: '1' } });
    expect(warnings).toHaveLength(4);
  });

  test('refuses a file that is missing, a folder, or too large, in one line', () => {
    expect(() => loadSettings({ file: join(folder, 'none'), env: {}, sets: [] })).toThrow(
      /none: can not be read: there is no/,
    );
    expect(() => loadSettings({ file: folder, env: {}, sets: [] })).toThrow(/can not be read: it is a folder/);
    expect(problemsOf({ text: '#'.repeat(1024 * 1024) })).toEqual([]);
    expect(problemsOf({ text: '#'.repeat(1024 * 1024 + 1) })).toEqual([
      'FILE: is larger than 1 MiB, too large for a settings file',
    ]);
  });

  test('keeps its messages short and of one line each, whatever the file has', () => {
    const text = `rtmp.port=${'9'.repeat(5000)}\nhls.port=a\\nb\n${'k'.repeat(5000)}=1\n`;
    for (const problem of problemsOf({ text })) {
      expect(problem).not.toContain('\n');
      expect(problem.length).toBeLessThan(300);
    }
    const many = load({ text: Array.from({ length: 500 }, (_, i) => `zz${i}=1`).join('\n') }).warnings;
    expect(many).toHaveLength(101);
    expect(many.at(-1)).toBe('and 400 more');
  });
});

describe('printing', () => {
  test('gives a settings file that loads to the same settings', () => {
    const loaded = load({
      text: 'media_dir=C:\\\\media\nrtmp.port=7',
      sets: ['rest_access_control_headers=A: 1;B: 2'],
    });
    const printed = renderSettings(loaded);
    expect(printed).toContain(`# from ${file}:2\nrtmp.port=7\n`);
    expect(load({ text: printed }).settings).toEqual(loaded.settings);
  });

  test('never shows a secret', () => {
    const entry: SettingEntry = { type: 'string', default: '', secret: true, from: 'own', doc: 'Key.' };
    expect(formatValue(entry, 'hunter2')).toBe('******');
  });

  test('the committed reference page is that of the schema (else: npm run docs:settings)', () => {
    const page = new URL('../../../../../docs/reference/settings.md', import.meta.url);
    expect(readFileSync(page, 'utf8')).toBe(renderSettingsReference());
  });

  test('the reference page has every setting once', () => {
    const page = renderSettingsReference();
    for (const name of SETTING_NAMES) expect(page.split(`\n| \`${name}\``)).toHaveLength(2);
  });
});

describe('small parts', () => {
  test('parseHeaderList takes a header setting apart', () => {
    expect(parseHeaderList('A: 1;  B-C : x:y ;')).toEqual([
      ['A', '1'],
      ['B-C', 'x:y'],
    ]);
    expect(parseHeaderList('')).toEqual([]);
  });

  test('closestName suggests slips, not other words', () => {
    expect(closestName('rmtp.port', ['rtmp.port', 'hls.port'])).toBe('rtmp.port');
    expect(closestName('RTMP_PORT', ['rtmp.port'])).toBe('rtmp.port');
    expect(closestName('colour', ['rtmp.port', 'hls.port'])).toBeUndefined();
    expect(closestName('x'.repeat(1000), ['rtmp.port'])).toBeUndefined();
  });
});

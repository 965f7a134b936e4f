import { describe, expect, it } from 'vitest';
import { fitBytes, numberedName, safeComponent } from '../../io/index.ts';
import { isNameKnown, type NameFacts, type Naming, recordingFileName } from './template.ts';

const FACTS: NameFacts = {
  streamName: 'test',
  mediaSessionId: '9c3e-11',
  sessionId: '/127.0.0.1:8888/10.0.0.1:1',
  login: 'alice',
};
const ENDED: NameFacts = {
  ...FACTS,
  startTime: 0,
  endTime: 10_000,
  startTimeMillis: 1_563_776_083_752,
  endTimeMillis: 1_563_776_093_752,
  duration: 10_000,
  audioCodec: 'aac',
  videoCodec: 'h264',
};
const naming = (template: string, more: Partial<Naming> = {}): Naming => ({
  template,
  encoding: 'none',
  excludedCharacters: '',
  extension: 'mp4',
  ...more,
});

describe('names of recordings', () => {
  it('are filled with all elements', () => {
    const all =
      '{streamName}-{duration}-{startTime}-{endTime}-{startTimeMillis}-{endTimeMillis}-{mediaSessionId}-{login}-{audioCodec}-{videoCodec}';
    expect(recordingFileName(naming(all), ENDED)).toBe(
      'test-10000-0-10000-1563776083752-1563776093752-9c3e-11-alice-aac-h264.mp4',
    );
    expect(recordingFileName(naming('stream-{mediaSessionId}-{login}'), FACTS)).toBe('stream-9c3e-11-alice.mp4');
    expect(recordingFileName(naming('{sessionId}'), FACTS)).toBe(
      `${Buffer.from(FACTS.sessionId).toString('base64url')}.mp4`,
    );
  });

  it('keep elements that are not known yet as they stand', () => {
    const late = naming('{mediaSessionId}-{streamName}-{startTimeMillis}-{endTime}');
    expect(recordingFileName(late, { ...FACTS, startTimeMillis: 1_563_776_083_752 })).toBe(
      '9c3e-11-test-1563776083752-{endTime}.mp4',
    );
    expect(isNameKnown(late, FACTS)).toBe(false);
    expect(isNameKnown(late, ENDED)).toBe(true);
    expect(recordingFileName(naming('{unknown}-{}'), ENDED)).toBe('{unknown}-{}.mp4');
  });

  it('carry the number of the part behind the name', () => {
    expect(recordingFileName(naming('{streamName}-{startTime}-{endTime}', { part: 1 }), ENDED)).toBe(
      'test-0-10000_1.mp4',
    );
  });

  it('make folders of slashes in the template and underscores of slashes in values', () => {
    const facts = { ...FACTS, streamName: '../../etc/passwd', login: 'a/b' };
    expect(recordingFileName(naming('{login}/{streamName}/x'), facts)).toBe('a_b/__.._etc_passwd/x.mp4');
    expect(recordingFileName(naming('/../a//./b/'), facts)).toBe('a/b.mp4');
  });

  it('lack the characters that are excluded from values, not those of the template', () => {
    const facts = { ...FACTS, streamName: 'a:b,c./d😀' };
    expect(recordingFileName(naming('x:{streamName}', { excludedCharacters: ':,./😀' }), facts)).toBe('x:abcd.mp4');
  });

  it('are encoded on demand, with the ending as it is', () => {
    const facts = { ...FACTS, streamName: 'ü/x' };
    const hex = recordingFileName(naming('{streamName}', { encoding: 'hex', part: 2 }), facts);
    expect(hex).toBe(`${Buffer.from('ü/x').toString('hex')}_2.mp4`);
    const base64 = recordingFileName(naming('f/{streamName}', { encoding: 'base64' }), facts);
    expect(base64).toBe(`${Buffer.from('f').toString('base64url')}/${Buffer.from('ü/x').toString('base64url')}.mp4`);
  });

  it('of encoded names that are cut can be decoded still', () => {
    for (const encoding of ['hex', 'base64'] as const) {
      const name = recordingFileName(naming('{streamName}', { encoding }), { ...FACTS, streamName: '€'.repeat(500) });
      expect(Buffer.byteLength(name)).toBeLessThanOrEqual(255);
      const text = Buffer.from(name.slice(0, -4), encoding === 'hex' ? 'hex' : 'base64url').toString();
      expect(text).toMatch(/^€{40,}$/u);
    }
  });

  it('are no devices of Windows, and no hidden files or folders of the server', () => {
    for (const [value, expected] of [
      ['CON', '_CON.mp4'],
      ['nul.tar', '_nul.tar.mp4'],
      ['com1', '_com1.mp4'],
      ['console', 'console.mp4'],
      ['.recording', '_recording.mp4'],
      ['name. . ', 'name.mp4'],
      ['..', '_.mp4'],
      ['', 'recording.mp4'],
      ['a\u0000b\nc', 'a_b_c.mp4'],
      ['e\u0301', '\u00e9.mp4'],
      ['x\ud800y', 'x_y.mp4'],
    ] as const) {
      expect(recordingFileName(naming('{streamName}'), { ...FACTS, streamName: value })).toBe(expected);
    }
    expect(recordingFileName(naming('{streamName}/x'), { ...FACTS, streamName: '.recording' })).toBe(
      '_recording/x.mp4',
    );
  });

  it('never leave the folder, have components of at most 255 bytes, and are stable, whatever the values are', {
    timeout: 60_000,
  }, () => {
    const random = seeded(20_261_122);
    for (let i = 0; i < 10_000; i++) {
      const facts = { ...ENDED, streamName: hostile(random), login: hostile(random), mediaSessionId: hostile(random) };
      const options = naming(pick(random, TEMPLATES) + (random() < 0.1 ? hostile(random) : ''), {
        encoding: pick(random, ['none', 'none', 'hex', 'base64'] as const),
        excludedCharacters: pick(random, ['', ':,./', '😀', '\u0000']),
        part: random() < 0.3 ? Math.floor(random() * 1e6) : undefined,
      });
      const name = recordingFileName(options, facts);
      expectSafe(name);
      expect(recordingFileName(options, facts)).toBe(name);
      for (const component of name.split('/')) expect(safeComponent(component)).toBe(component);
      expectSafe(numberedName(name.split('/').at(-1) as string, 1 + Math.floor(random() * 1e6)));
    }
  });
});

describe('fitBytes', () => {
  it('never cuts a character', () => {
    for (let bytes = 0; bytes < 12; bytes++) {
      const cut = fitBytes('aé€😀x', bytes);
      expect('aé€😀x'.startsWith(cut)).toBe(true);
      expect(Buffer.byteLength(cut)).toBeLessThanOrEqual(bytes);
      expect(bytes - Buffer.byteLength(cut)).toBeLessThan(4);
    }
  });
});

const TEMPLATES = [
  '{streamName}',
  '{streamName}/{login}',
  '../{streamName}',
  '{login}{streamName}{mediaSessionId}',
  '/{streamName}/../{login}/./{mediaSessionId}-{endTime}',
  'a/b/c/d/e/f/g/h/i/j/k/{streamName}',
  '',
];
const PIECES = [
  '../', '..\\', '..', '.', '/', '\\', '\u0000', '\n', '\r', ' ', '~', '~1', ':', '|', '*', '?', '"', '<', '>', '%2e%2e%2f',
  'CON', 'nul', 'COM1.txt', 'LPT9', '.recording', '.new', '\ud800', '\udc00', '😀', '\u202e', '\u200d', 'e\u0301', 'ﬃ', '￾',
  '\ufeff', '\u2028', 'C:\\', '\\\\server\\share', '$(id)', '`id`', ';', '&', '-rf', '{streamName}', '{endTime}', '中'.repeat(90),
  'a'.repeat(255), 'x'.repeat(10_240), '\u0301'.repeat(300), '____', 'Z',
]; // biome-ignore format: a list

function expectSafe(name: string): void {
  expect(name).not.toMatch(/^\/|\\|[\p{Cc}\u202e]|\p{Cs}/u);
  const components = name.split('/');
  expect(components.length).toBeLessThanOrEqual(9);
  for (const component of components) {
    expect(Buffer.byteLength(component)).toBeLessThanOrEqual(255);
    expect(component).not.toMatch(/^\.|[. ]$|^$/);
    expect(component).not.toMatch(/^(con|prn|aux|nul|com\d|lpt\d)(\.|$)/i);
    expect(component).toBe(component.normalize('NFC'));
  }
}

function hostile(random: () => number): string {
  return Array.from({ length: Math.floor(random() * 6) }, () => pick(random, PIECES)).join('');
}

function pick<T>(random: () => number, from: readonly T[]): T {
  return from[Math.floor(random() * from.length)] as T;
}

/** mulberry32 */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

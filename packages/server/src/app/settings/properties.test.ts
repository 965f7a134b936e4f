import { describe, expect, test } from 'vitest';
import { decodeText, formatProperty, parseProperties } from './properties.ts';

const read = (text: string) => parseProperties(text).properties.map(({ key, value }) => [key, value]);

describe('parseProperties', () => {
  test.each([
    ['a=1', [['a', '1']]],
    ['a = 1 ', [['a', '1']]],
    ['a: 1', [['a', '1']]],
    ['a 1', [['a', '1']]],
    ['a', [['a', '']]],
    ['a=', [['a', '']]],
    ['a=b=c', [['a', 'b=c']]],
    ['headers=A: 1;B: 2', [['headers', 'A: 1;B: 2']]],
    ['# x\n  ! y\n\n \na=1', [['a', '1']]],
    ['a=1\r\nb=2\rc=3', [['a', '1'], ['b', '2'], ['c', '3']]], // biome-ignore format: one case a line
    ['a=1,\\\n   2,\\\r\n\t3\nb=4', [['a', '1,2,3'], ['b', '4']]], // biome-ignore format: one case a line
    ['a=1\\\n# not a comment', [['a', '1# not a comment']]],
    ['a=c:\\\\dir\\\\', [['a', 'c:\\dir\\']]],
    ['a\\=b=\\u0041\\t!', [['a=b', 'A\t!']]],
    ['a=x\\', [['a', 'x']]],
    ['\uFEFFa=1', [['a', '1']]],
    ['__proto__=1', [['__proto__', '1']]],
    ['', []],
  ])('reads %j', (text, expected) => {
    expect(read(text)).toEqual(expected);
  });

  test('counts physical lines, also across continued ones', () => {
    const { properties } = parseProperties('# 1\r\na=1\\\r\n2\r\n\r\nb=3');
    expect(properties.map(({ key, line }) => [key, line])).toEqual([
      ['a', 2],
      ['b', 5],
    ]);
  });

  test('reports a line without a name and a broken unicode escape', () => {
    expect(parseProperties('=1\na=\\u00zz\nb=2')).toEqual({
      properties: [{ key: 'b', value: '2', line: 3 }],
      problems: [
        { line: 1, reason: expect.stringContaining('no name') },
        { line: 2, reason: expect.stringContaining('hexadecimal') },
      ],
    });
  });

  test('reads back what formatProperty writes', () => {
    for (const value of ['', 'a', 'C:\\x\\', 'a=b: c#d', 'tab\there', 'ünï', 'a\\u0041']) {
      expect(read(formatProperty('my key=', value))).toEqual([['my key=', value]]);
    }
  });

  test('never throws and never loses line numbers, whatever the text', () => {
    const random = seeded(1);
    const alphabet = [
      'a',
      'b',
      '=',
      ':',
      ' ',
      '\\',
      '\n',
      '\r',
      '#',
      '!',
      'u',
      '0',
      '\t',
      '\u00e9',
      '\uFEFF',
      '\u0000',
    ];
    for (let round = 0; round < 3000; round++) {
      const text = Array.from({ length: random(60) }, () => alphabet[random(alphabet.length)]).join('');
      const { properties, problems } = parseProperties(text);
      const lines = text.split(/\r\n|\n|\r/).length;
      for (const { line } of [...properties, ...problems]) {
        expect(line).toBeGreaterThanOrEqual(1);
        expect(line).toBeLessThanOrEqual(lines);
      }
    }
  });

  test('takes time in proportion to the text', () => {
    const began = performance.now();
    parseProperties(`a=${'\\\\'.repeat(250_000)}\\\n${' '.repeat(250_000)}`);
    parseProperties('a=1\\\n'.repeat(100_000));
    expect(performance.now() - began).toBeLessThan(2000);
  });
});

describe('decodeText', () => {
  test('reads UTF-8, and Latin-1 where it is no UTF-8', () => {
    expect(decodeText(Buffer.from('a=é'))).toBe('a=é');
    expect(decodeText(Buffer.from('a=é', 'latin1'))).toBe('a=é');
  });
});

/** A small generator, so that a failure can be repeated. */
function seeded(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

import Type from 'typebox';
import { describe, expect, it } from 'vitest';
import { readLeniently } from './lenient-fields.ts';
import { parsePrefer } from './prefer.ts';
import { parseRestBody } from './rest-body.ts';

const SCHEMA = Type.Object({
  name: Type.Optional(Type.String()),
  flag: Type.Optional(Type.Boolean()),
  count: Type.Optional(Type.Integer()),
  rate: Type.Optional(Type.Number()),
  word: Type.Optional(Type.Enum(['TRACE', 'INFO'])),
  list: Type.Optional(Type.Array(Type.String())),
  inner: Type.Optional(Type.Object({ on: Type.Optional(Type.Boolean()) })),
  any: Type.Optional(Type.Unknown()),
  map: Type.Optional(Type.Record(Type.String(), Type.String())),
});

describe('reading fields leniently', () => {
  it.each([
    [{}, {}],
    [{ name: 5060 }, { name: '5060' }],
    [{ name: null, flag: null, count: null, list: null, any: null }, {}],
    [{ flag: 'true' }, { flag: true }],
    [{ flag: ' FALSE ' }, { flag: false }],
    [{ flag: '' }, { flag: '' }],
    [{ flag: 1 }, { flag: 1 }],
    [{ count: '5060' }, { count: 5060 }],
    [{ count: ' -3 ' }, { count: -3 }],
    [{ rate: '1.5' }, { rate: 1.5 }],
    [{ count: '' }, { count: '' }],
    [{ count: '1e9' }, { count: '1e9' }],
    [{ count: '0x10' }, { count: '0x10' }],
    [{ count: true }, { count: true }],
    [{ count: '9'.repeat(400) }, { count: '9'.repeat(400) }],
    [{ word: 'trace' }, { word: 'TRACE' }],
    [{ word: 'loud' }, { word: 'loud' }],
    [{ list: 'a' }, { list: ['a'] }],
    [{ list: ['a', 1] }, { list: ['a', '1'] }],
    [{ list: {} }, { list: {} }],
    [{ inner: { on: 'true', more: 1 } }, { inner: { on: true } }],
    [{ inner: [] }, { inner: [] }],
    [{ any: { a: null, b: 'true' } }, { any: { a: null, b: 'true' } }],
    [{ map: { a: 'true' } }, { map: { a: 'true' } }],
    [{ unknown: 1, constructor: 2, toString: 3 }, {}],
  ])('makes %j to %j', (body, expected) => {
    expect(readLeniently(SCHEMA, body)).toEqual(expected);
  });

  it('takes no field from a prototype, and gives none to others', () => {
    const body = JSON.parse('{"__proto__":{"name":"x","polluted":true},"any":{"__proto__":{"a":1}}}') as object;
    const read = readLeniently(SCHEMA, body) as { any: object };
    expect(Object.keys(read)).toEqual(['any']);
    expect(JSON.stringify(read)).toBe('{"any":{"__proto__":{"a":1}}}');
    expect(({} as { polluted?: boolean }).polluted).toBeUndefined();
  });
});

describe('bodies', () => {
  it.each(['', ' \r\n\t', '\uFEFF', '{}'])('are empty: %j', (text) => {
    expect(parseRestBody(text)).toEqual({});
  });

  it.each(['{', '[]', '1', '"x"', 'null', '{"a":1,}', '{"a":1}x', '[', '"'.repeat(100_000)])(
    'are refused: %.20s',
    (text) => expect(() => parseRestBody(text)).toThrow(/request body is not/),
  );

  it('are refused when they are nested too deep, whatever is between the brackets', () => {
    const deep = (levels: number): string => `{"a":${'['.repeat(levels)}${']'.repeat(levels)}}`;
    expect(parseRestBody(deep(99))).toHaveProperty('a');
    expect(() => parseRestBody(deep(100))).toThrow('nested deeper than 100 levels');
    expect(() => parseRestBody(deep(100_000))).toThrow('nested deeper than 100 levels');
    expect(() => parseRestBody('{"a":'.repeat(100_000))).toThrow('nested deeper than 100 levels');
    expect(parseRestBody(JSON.stringify({ a: `\\"${'['.repeat(1000)}` }))).toHaveProperty('a');
  });
});

describe('the Prefer header', () => {
  const none = { respondAsync: false, waitSeconds: undefined, timeoutSeconds: undefined };

  it.each([
    [undefined, none],
    ['', none],
    ['respond-async, wait=3, timeout=10', { respondAsync: true, waitSeconds: 3, timeoutSeconds: 10 }],
    ['Wait=3,WAIT=4', { ...none, waitSeconds: 3 }],
    ['wait="3"; foo="a,b"; c, , timeout = 7', { ...none, waitSeconds: 3, timeoutSeconds: 7 }],
    ['return=minimal; foo="\\"", respond-async', { ...none, respondAsync: true }],
    ['wait=-1, timeout=1.5', none],
    ['wait=1e3, timeout=99999999999', none],
    ['wait', none],
    ['wait=5, @@@, timeout=3', { ...none, waitSeconds: 5 }],
    ['"wait=5', none],
  ])('%j is read as RFC 7240 says', (header, expected) => {
    expect(parsePrefer(header)).toEqual(expected);
  });

  it('is read in time that grows with its length only', () => {
    const before = process.cpuUsage();
    for (const part of ['a;', 'a=";', ' ', ';', '"\\', 'a=b;c=d', ',']) parsePrefer(part.repeat(16_384 / part.length));
    expect(process.cpuUsage(before).user).toBeLessThan(500_000);
  });
});

import { StreamRequest } from '@sluice/contract';
import { describe, expect, it } from 'vitest';
import { customFields, parseMessage, readFields } from './client-message.ts';

describe('a message is read', () => {
  it.each([
    '',
    '{',
    'null',
    '[]',
    '"ping"',
    '{}',
    '{"message":7,"data":[]}',
    '{"message":"","data":[]}',
    `{"message":"${'x'.repeat(65)}"}`,
    `{"message":"sendData","data":[${'['.repeat(70)}${']'.repeat(70)}]}`,
  ])('as nothing when it is %s', (text) => {
    expect(parseMessage(text)).toBeUndefined();
  });

  it.each(['{"message":"pong"}', '{"message":"pong","data":null}', '{"message":"pong","data":[null]}'])(
    'with an empty argument from %s',
    (text) => {
      expect(parseMessage(text)).toEqual({ name: 'pong', body: {} });
    },
  );

  it('whatever brackets its texts have', () => {
    const logs = '[[{'.repeat(100);
    expect(parseMessage(JSON.stringify({ message: 'pushLogs', data: [{ logs: `\\"${logs}` }] }))?.name).toBe(
      'pushLogs',
    );
  });

  it('without fields of wrong types or from prototypes', () => {
    const { body } = parseMessage(
      '{"message":"m","data":[{"name":5,"width":"640","height":"x","__proto__":{"sdp":"v"}}]}',
    ) ?? {
      body: {},
    };
    expect(readFields(StreamRequest, body)).toEqual({ width: '640' });
  });
});

describe('the custom value of a client', () => {
  it('becomes a bounded number of texts, whatever it is', () => {
    expect(customFields({ token: 'x', n: 1, deep: { a: [null] }, none: null })).toEqual({
      token: 'x',
      n: '1',
      deep: '{"a":[null]}',
      none: 'null',
    });
    for (const custom of [undefined, null, 7, 'text', [1, 2]]) expect(customFields(custom)).toEqual({});
    const many = Object.fromEntries(Array.from({ length: 1000 }, (_, index) => [`k${index}`, index]));
    expect(Object.keys(customFields(many))).toHaveLength(64);
  });
});

import { STREAM_INFO } from '@sluice/contract';
import { expect, test } from 'vitest';
import { ENDING_INFO } from '../core/index.ts';

test('endings are told to back ends in words that the Web SDK knows', () => {
  expect(Object.values(STREAM_INFO)).toEqual(expect.arrayContaining(Object.values(ENDING_INFO)));
});

import { describe, expect, it } from 'vitest';
import { STREAM_INFO } from '../../../contract/src/index.ts';
import { ENDING_INFO, infoOfEnd, infoOfError, MediaServerError } from './index.ts';

describe('words for an ending', () => {
  it('are all among those that the contract lists', () => {
    expect(STREAM_INFO).toMatchObject(ENDING_INFO);
  });

  it('are the operator’s own when clients know them', () => {
    expect(infoOfEnd('terminated', 'Terminated by keep-alive')).toBe('Terminated by keep-alive');
    expect(infoOfEnd('terminated', 'because')).toBe('Stopped by rest /terminate');
    expect(infoOfEnd('ice_timeout', 'Terminated by keep-alive')).toBe('Failed by ICE timeout');
  });

  it('are those of the access control for a denial, and never those of a fault', () => {
    expect(infoOfError(new MediaServerError('ACCESS_DENIED', 'not today'))).toBe('not today');
    expect(infoOfError(new MediaServerError('TOKEN_REQUIRED', ''))).toBe('Restricted access');
    expect(infoOfError(new MediaServerError('STREAM_NOT_FOUND', 'no stream "x"'))).toBe('Stream not found');
    expect(infoOfError(new Error('secret'))).toBe('Failed by error');
  });
});

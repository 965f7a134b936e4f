import { describe, expect, it } from 'vitest';
import { STREAM_INFO } from '../../../contract/src/index.ts';
import { END_OF_FILE, ENDING_INFO, infoOfEnd, infoOfError, MediaServerError, playerEnd, startUsOf } from './index.ts';

describe('words for an ending', () => {
  it('are all among those that the contract lists', () => {
    expect(STREAM_INFO).toMatchObject(ENDING_INFO);
  });

  it('are the operator’s own when clients know them', () => {
    expect(infoOfEnd('terminated', 'Terminated by keep-alive')).toBe('Terminated by keep-alive');
    expect(infoOfEnd('terminated', 'because')).toBe('Stopped by rest /terminate');
    expect(infoOfEnd('ice_timeout', 'Terminated by keep-alive')).toBe('Failed by ICE timeout');
  });

  it('are those of a file that fails while it is played', () => {
    expect(infoOfEnd('publisher_stopped', 'Failed to read file')).toBe('Failed to read file');
    expect(infoOfEnd('publisher_stopped', 'whatever')).toBe('Stopped by publisher stop');
    expect(playerEnd('Got exception while streaming file')).toEqual({
      failed: true,
      info: 'Got exception while streaming file',
    });
    expect(playerEnd(END_OF_FILE)).toEqual({ failed: false, info: 'Stopped by publisher stop' });
  });

  it('are those of the access control for a denial, and never those of a fault', () => {
    expect(infoOfError(new MediaServerError('ACCESS_DENIED', 'not today'))).toBe('not today');
    expect(infoOfError(new MediaServerError('TOKEN_REQUIRED', ''))).toBe('Restricted access');
    expect(infoOfError(new MediaServerError('STREAM_NOT_FOUND', 'no stream "x"'))).toBe('Stream not found');
    expect(infoOfError(new MediaServerError('SOURCE_NOT_FOUND', 'Rtsp stream not found'))).toBe(
      'Rtsp stream not found',
    );
    expect(infoOfError(new MediaServerError('URL_DENIED', 'private'))).toBe('Bad URI');
    expect(infoOfError(new Error('secret'))).toBe('Failed by error');
  });
});

describe('a place in a file', () => {
  it('is read from seconds, and from nothing else', () => {
    expect(startUsOf('12.5')).toBe(12_500_000);
    expect(startUsOf('0')).toBe(0);
    expect(startUsOf('999999999')).toBe(365 * 24 * 3600 * 1e6);
    for (const text of [undefined, '', '-1', '1e3', ' 1', '1.', '.5', 'NaN', '1:30', '9'.repeat(400)])
      expect(startUsOf(text), text).toBeUndefined();
  });
});

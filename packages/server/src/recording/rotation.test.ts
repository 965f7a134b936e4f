import { describe, expect, it } from 'vitest';
import { NO_ROTATION, parseRotation, rotates } from './rotation.ts';

describe('a rotation', () => {
  it('is read as disabled, seconds or megabytes', () => {
    for (const text of ['', 'disabled', ' Disabled ']) expect(parseRotation(text)).toEqual(NO_ROTATION);
    expect(parseRotation('60').afterUs).toBe(60_000_000);
    expect(parseRotation('20M')).toEqual({ ...NO_ROTATION, afterBytes: 20 * 1024 * 1024 });
    expect(rotates(NO_ROTATION)).toBe(false);
    expect(rotates(parseRotation('1m'))).toBe(true);
  });

  it.each(['0', '0M', '-1', '1.5', '10s', '1e3', 'M', '99999999999'])('is refused as "%s"', (text) => {
    expect(() => parseRotation(text)).toThrow(expect.objectContaining({ code: 'RECORDING_CONFIG_INVALID' }));
  });
});

import { describe, expect, it } from 'vitest';
import { sizeInForm, videoFormKey } from './video-form.ts';

const HD = { width: 1280, height: 720 };

describe('the size of a picture in a form', () => {
  it('follows from the one side that is asked for, rounded down to even numbers', () => {
    expect(sizeInForm(HD, { height: 480 })).toEqual({ width: 852, height: 480 });
    expect(sizeInForm(HD, { width: 333 })).toEqual({ width: 332, height: 186 });
  });

  it('keeps the shape inside of both sides, unless it is to be stretched', () => {
    expect(sizeInForm(HD, { width: 640, height: 480 })).toEqual({ width: 640, height: 360 });
    expect(sizeInForm(HD, { width: 640, height: 480, stretch: true })).toEqual({ width: 640, height: 480 });
    expect(sizeInForm(HD, { height: 480, stretch: true })).toEqual({ width: 852, height: 480 });
  });

  it('is never larger than the source, and never nothing', () => {
    expect(sizeInForm(HD, { width: 4000, height: 1080 })).toEqual(HD);
    expect(sizeInForm(HD, { width: 4000, height: 300, stretch: true })).toEqual({ width: 1280, height: 300 });
    expect(sizeInForm({ width: 4000, height: 2 }, { width: 16 })).toEqual({ width: 16, height: 2 });
    expect(sizeInForm({ width: 641, height: 361 }, {})).toEqual({ width: 640, height: 360 });
  });

  it('is exact where the shape is', () => {
    for (let height = 2; height <= 1080; height += 2)
      expect(sizeInForm({ width: 1920, height: 1080 }, { height }).height).toBe(height);
  });
});

describe('the key of a form', () => {
  it('is the same for forms that give the same picture, and another for all others', () => {
    expect(videoFormKey({ height: 480, stretch: false })).toBe(videoFormKey({ height: 480, width: undefined }));
    const forms = [
      undefined,
      { height: 480 },
      { width: 480 },
      { height: 480, fps: 15 },
      { height: 480, stretch: true },
    ];
    expect(new Set(forms.map(videoFormKey)).size).toBe(forms.length);
  });
});

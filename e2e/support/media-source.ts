import { readFileSync } from 'node:fs';
import { launchChromium } from './chromium.ts';

/**
 * Appends a fragmented MP4 file to a MediaSource in Chromium and plays it; gives the seconds that it has buffered.
 * @throws Error with the browser's words when it does not take the file
 */
export async function appendToMediaSource(file: string): Promise<number> {
  const browser = await launchChromium();
  try {
    const page = await browser.newPage();
    return await page.evaluate(async (base64) => {
      const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
      const source = new MediaSource();
      const video = document.createElement('video');
      video.muted = true;
      video.src = URL.createObjectURL(source);
      document.body.append(video);
      await new Promise((resolve) => source.addEventListener('sourceopen', resolve, { once: true }));
      const buffer = source.addSourceBuffer('video/mp4; codecs="avc1.64001e,mp4a.40.2"');
      await new Promise<void>((resolve, reject) => {
        buffer.addEventListener('updateend', () => resolve(), { once: true });
        buffer.addEventListener('error', () => reject(new Error(video.error?.message ?? 'not taken')), { once: true });
        buffer.appendBuffer(bytes);
      });
      await video.play();
      await new Promise((resolve) => video.addEventListener('timeupdate', resolve, { once: true }));
      return buffer.buffered.end(0) - buffer.buffered.start(0);
    }, readFileSync(file).toString('base64'));
  } finally {
    await browser.close();
  }
}

// Makes docs/images/console.png: the console of a running server with the demo stream playing.
// node scripts/make-console-picture.mjs [URL]
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';

const url = process.argv[2] ?? 'http://127.0.0.1:8081/';
const args = ['--headless=new', '--no-sandbox', '--autoplay-policy=no-user-gesture-required', '--disable-quic'];
const quiet = ['--disable-background-networking', '--disable-component-update', '--disable-sync'];
const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: [...args, ...quiet] });
try {
  const page = await browser.newPage({ viewport: { width: 1280, height: 900 } });
  await page.goto(url);
  await page.locator('[data-testid=player-state][data-state=playing]').waitFor({ timeout: 20_000 });
  await page.waitForTimeout(6000);
  await page.screenshot({ path: fileURLToPath(new URL('../docs/images/console.png', import.meta.url)) });
} finally {
  await browser.close();
}

// Makes docs/images/console.png and docs/images/publish.png: the console of a running server with the demo stream, and
// its publish page with the test picture.
// node scripts/make-console-picture.mjs [URL]
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';

const url = process.argv[2] ?? 'http://127.0.0.1:8081/';
const args = ['--headless=new', '--no-sandbox', '--autoplay-policy=no-user-gesture-required', '--disable-quic'];
const quiet = ['--disable-background-networking', '--disable-component-update', '--disable-sync'];
const webrtc = ['--allow-loopback-in-peer-connection', '--disable-features=WebRtcHideLocalIpsWithMdns'];
const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: [...args, ...quiet, ...webrtc] });
try {
  const list = await browser.newPage({ viewport: { width: 1280, height: 900 } });
  await list.goto(url);
  await list.locator('[data-testid=player-state][data-state=playing]').waitFor({ timeout: 20_000 });
  // Until the lines of bit rates have grown.
  await list.waitForTimeout(30_000);
  await list.screenshot({ path: imagePath('console') });
  const publish = await browser.newPage({ viewport: { width: 1280, height: 810 } });
  await publish.goto(new URL('#/publish', url).href);
  await publish.getByTestId('publish-page-name').fill('my-browser');
  await publish.getByTestId('publish-source').selectOption('test');
  await publish.getByTestId('publish-toggle').click();
  await publish.locator('[data-testid=publish-state][data-state=live]').waitFor({ timeout: 20_000 });
  // Until the browser's bit rate has grown; then in the middle of a beep.
  await publish.waitForTimeout(15_000);
  await publish.waitForFunction(() => document.querySelector('[data-testid=publish-level]').value > 0.6);
  await publish.screenshot({ path: imagePath('publish') });
} finally {
  await browser.close();
}

function imagePath(name) {
  return fileURLToPath(new URL(`../docs/images/${name}.png`, import.meta.url));
}

import { type Browser, type BrowserContext, chromium } from 'playwright-core';

/**
 * What of Chromium no test looks at. The first two are pages for the address bar, loaded with each window: two thirds of
 * the CPU time that a window costs. Most others would ask servers of the Internet, or wait for a picture to be painted.
 */
const UNUSED_FEATURES = [
  'WebUIOmniboxPopup',
  'WebUIOmniboxAimPopup',
  'AimEnabled',
  'HttpsFirstBalancedModeAutoEnable',
  'HttpsUpgrades',
  'MediaRouter',
  'NetworkTimeServiceQuerying',
  'OptimizationHints',
  'PaintHolding',
  'PreconnectToSearch',
];

/** What a headless Chromium needs to play sound and picture by itself, without traffic of its own. */
const ARGS = [
  '--headless=new',
  '--no-sandbox',
  '--autoplay-policy=no-user-gesture-required',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--disable-quic',
];

const CAMERA = ['--use-fake-device-for-media-stream', '--use-fake-ui-for-media-stream'];

export interface Chromium {
  /** A camera and a microphone that are not real, and WebRTC on the loopback interface. */
  readonly webrtc?: boolean;
  /** WebRTC tells addresses of the machine rather than mDNS names, which nothing here resolves. */
  readonly tellAddresses?: boolean;
  readonly args?: readonly string[];
}

/** Starts Debian's Chromium as a web site's visitor has it. */
export function launchChromium({ webrtc, tellAddresses, args = [] }: Chromium = {}): Promise<Browser> {
  // Chromium heeds the last such option alone.
  const off = [...UNUSED_FEATURES, ...(tellAddresses ? ['WebRtcHideLocalIpsWithMdns'] : [])];
  const own = webrtc ? [...CAMERA, '--allow-loopback-in-peer-connection'] : [];
  const all = [...ARGS, ...own, `--disable-features=${off.join(',')}`, ...args];
  return chromium.launch({ executablePath: '/usr/bin/chromium', args: all });
}

/**
 * A context for many pages, which costs less than one for each: a profile is made once. Not for pages that look at
 * each picture as it is shown: its pages are in one window, and Chromium shows those behind but once a second.
 */
export async function sharedContext(browser: Browser): Promise<BrowserContext> {
  const context = await browser.newContext();
  await context.newPage();
  return context;
}

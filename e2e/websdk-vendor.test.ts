import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { SdkPages } from './support/websdk/sdk-pages.ts';
import { SdkServer } from './support/websdk/sdk-server.ts';
import { runVendorTests } from './support/websdk/vendor-tests.ts';

let server: SdkServer;
let pages: SdkPages;

beforeAll(async () => {
  server = await SdkServer.start();
  pages = await SdkPages.start();
});

afterAll(async () => {
  await pages.close();
  await server.stop();
});

/** This version of the SDK keeps its <video> elements for later streams, whatever the server; the test is older. */
const OUTDATED = 'flashphoner session streams should clean up video';

it('passes the tests of sessions and streams that come with the Web SDK, and has nothing left after them', async () => {
  const page = await pages.openBare();
  const results = await runVendorTests(page, server.url);
  expect(results.filter(({ error }) => error !== undefined)).toEqual([
    { name: OUTDATED, error: expect.stringContaining('to be empty') as string },
  ]);
  expect(results.length).toBeGreaterThan(14);
  await page.close();
  await vi.waitFor(async () => expect(await server.mediaSessions()).toEqual([]), { timeout: 20_000 });
});

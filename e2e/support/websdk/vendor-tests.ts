import type { Page } from 'playwright-core';

/** How one of the vendor's tests came out; no error when it passed. */
export interface VendorResult {
  readonly name: string;
  readonly error: string | undefined;
}

type Body = (this: { timeout(ms: number): void }, done?: (error?: unknown) => void) => void;

interface Suite {
  readonly before: Body[];
  readonly after: Body[];
  readonly tests: { readonly name: string; readonly run: Body }[];
  readonly suites: Suite[];
}

/** Runs the tests of the Web SDK's own package in a page that has loaded the SDK. */
export async function runVendorTests(page: Page, urlServer: string): Promise<VendorResult[]> {
  await page.addScriptTag({
    type: 'module',
    content: "import { expect } from '/chai.js'; window.expect = expect; window.chaiIsThere = true;",
  });
  await page.waitForFunction('window.chaiIsThere');
  await page.evaluate(prepare, urlServer);
  await page.addScriptTag({ url: '/test.js' });
  return page.evaluate('window.runTests()');
}

/** Runs in the page: makes what the tests expect of Mocha and of the page around them. */
function prepare(urlServer: string): void {
  const TIMEOUT_MS = 20_000;
  const root: Suite = { before: [], after: [], tests: [], suites: [] };
  let current = root;
  let prefix = '';
  const globals = window as unknown as Record<string, unknown>;
  globals['sOptions'] = { urlServer };
  globals['initOptions'] = {};
  globals['addDisplay'] = (width = 320, height = 240): Element => {
    const display = document.createElement('div');
    display.style.width = `${width}px`;
    display.style.height = `${height}px`;
    document.body.prepend(display);
    return display;
  };
  globals['removeDisplay'] = (display: Element): void => display.remove();
  globals['describe'] = (name: string, define: () => void): void => {
    const [outer, outerPrefix] = [current, prefix];
    current = { before: [], after: [], tests: [], suites: [] };
    prefix = `${prefix}${name} `;
    outer.suites.push(current);
    define();
    [current, prefix] = [outer, outerPrefix];
  };
  globals['before'] = (run: Body): void => void current.before.push(run);
  globals['after'] = (run: Body): void => void current.after.push(run);
  globals['it'] = (name: string, run: Body): void => void current.tests.push({ name: prefix + name, run });

  function perform(run: Body): Promise<string | undefined> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => resolve('timed out'), TIMEOUT_MS);
      const done = (error?: unknown): void => {
        clearTimeout(timer);
        resolve(error === undefined ? undefined : error instanceof Error ? error.message : JSON.stringify(error));
      };
      // Exceptions in callbacks are the test's too.
      window.onerror = (message) => done(message);
      try {
        run.call({ timeout: () => {} }, done);
        if (run.length === 0) done();
      } catch (error) {
        done(error);
      }
    });
  }

  async function runSuite(suite: Suite, results: VendorResult[]): Promise<VendorResult[]> {
    for (const run of suite.before) await perform(run);
    for (const { name, run } of suite.tests) results.push({ name, error: await perform(run) });
    for (const inner of suite.suites) await runSuite(inner, results);
    for (const run of suite.after) await perform(run);
    return results;
  }
  globals['runTests'] = () => runSuite(root, []);
}

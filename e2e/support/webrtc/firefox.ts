import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { networkInterfaces, tmpdir } from 'node:os';
import { join } from 'node:path';
import { vi } from 'vitest';
import { Program } from '../program.ts';
import { BidiConnection } from './bidi.ts';
import { openSite, type ScriptedPage, type Site } from './pages.ts';

/** A camera that is not real, no questions, nothing that Firefox would do on its own. */
const PREFERENCES = {
  'media.navigator.streams.fake': true,
  'media.navigator.permission.disabled': true,
  'media.autoplay.default': 0,
  'media.peerconnection.ice.loopback': true,
  'media.peerconnection.ice.obfuscate_host_addresses': false,
  'app.update.auto': false,
  'app.normandy.enabled': false,
  'browser.aboutwelcome.enabled': false,
  'browser.shell.checkDefaultBrowser': false,
  'datareporting.policy.dataSubmissionEnabled': false,
  'media.gmp-manager.updateEnabled': false,
  'network.captive-portal-service.enabled': false,
  'network.connectivity-service.enabled': false,
  'toolkit.telemetry.reportingpolicy.firstRun': false,
};

/** The address of this machine that Firefox sends from: it has no way from there to the loopback. */
export function firefoxHost(): string {
  const addresses = Object.values(networkInterfaces()).flatMap((all) => all ?? []);
  const found = addresses.find(({ family, internal }) => family === 'IPv4' && !internal);
  if (found === undefined) throw new Error('WebRTC in Firefox needs a network beyond the loopback');
  return found.address;
}

/** What a script gave, as WebDriver BiDi tells it. */
interface Evaluated {
  readonly type: 'success' | 'exception';
  readonly result?: { readonly value?: string };
  readonly exceptionDetails?: { readonly text: string };
}

/** Pages in a Firefox of its own, on a web site of another origin than the server's. It takes any certificate. */
export class FirefoxPages {
  readonly #firefox: Program;
  readonly #profile: string;
  readonly #site: Site;
  readonly #connection: BidiConnection;

  private constructor(
    firefox: Program,
    profile: string,
    { site, connection }: { site: Site; connection: BidiConnection },
  ) {
    this.#firefox = firefox;
    this.#profile = profile;
    this.#site = site;
    this.#connection = connection;
  }

  /** Opens Firefox, with further preferences where they are given. */
  static async start(preferences: Readonly<Record<string, boolean | number | string>> = {}): Promise<FirefoxPages> {
    const site = await openSite();
    const profile = mkdtempSync(join(tmpdir(), 'sluice-firefox-'));
    const lines = Object.entries({ ...PREFERENCES, ...preferences }).map(
      ([name, value]) => `user_pref("${name}", ${JSON.stringify(value)});`,
    );
    writeFileSync(join(profile, 'user.js'), lines.join('\n'));
    const args = ['--headless', '--no-remote', '--profile', profile, '--remote-debugging-port', '0', 'about:blank'];
    const firefox = new Program('firefox-esr', args, {
      env: { ...process.env, HOME: profile, MOZ_DISABLE_CONTENT_SANDBOX: '1' },
    });
    const address = await vi.waitFor(
      () => {
        const told = /listening on (ws:\S+)/.exec(firefox.stderr)?.[1];
        if (told === undefined) throw new Error(`Firefox does not listen: ${firefox.stderr}`);
        return told;
      },
      { timeout: 30_000, interval: 50 },
    );
    const connection = await BidiConnection.open(address);
    await connection.send('session.new', { capabilities: { alwaysMatch: { acceptInsecureCerts: true } } });
    return new FirefoxPages(firefox, profile, { site, connection });
  }

  /** A page that does nothing yet, in a window of its own: pages behind others are not drawn. */
  async page(): Promise<ScriptedPage> {
    const connection = this.#connection;
    const { context } = await connection.send<{ context: string }>('browsingContext.create', { type: 'window' });
    await connection.send('browsingContext.navigate', { context, url: this.#site.origin, wait: 'complete' });
    return {
      evaluate: (code: unknown, arg?: unknown) =>
        evaluate(connection, context, typeof code === 'string' ? code : `(${String(code)})(${JSON.stringify(arg)})`),
      context: () => ({ close: async () => void (await connection.send('browsingContext.close', { context })) }),
    } as ScriptedPage;
  }

  async close(): Promise<void> {
    this.#connection.close();
    await this.#firefox.stop('SIGTERM');
    this.#site.close();
    rmSync(this.#profile, { recursive: true, force: true });
  }
}

/** Evaluates an expression in a page; what it gives goes as JSON. */
async function evaluate(connection: BidiConnection, context: string, expression: string): Promise<unknown> {
  const evaluated = await connection.send<Evaluated>('script.callFunction', {
    functionDeclaration: `async () => JSON.stringify(await (${expression}))`,
    target: { context },
    awaitPromise: true,
    userActivation: true,
  });
  if (evaluated.type === 'exception') throw new Error(evaluated.exceptionDetails?.text);
  const text = evaluated.result?.value;
  return text === undefined ? undefined : (JSON.parse(text) as unknown);
}

import type { Log } from '../core/index.ts';
import type { RunningServer, StartOptions } from './server.ts';

/** A server that has not closed after this is given up; supervisors usually wait ten seconds before they kill. */
const CLOSE_TIMEOUT_MS = 9000;
/** npm and a terminal may both pass on one Ctrl+C: signals this close together are one. */
const SAME_SIGNAL_MS = 500;

export interface ServeOptions {
  readonly version: string;
  readonly out: (text: string) => void;
}

/** Runs a server until a signal asks it to stop, and gives the exit code. A start that fails rejects. */
export async function serve(start: StartOptions, options: ServeOptions): Promise<number> {
  exitOnStrayErrors(start.log);
  const stopped = stopSignal(start.log);
  // Loaded here, so that commands that need no server start at once.
  const { startServer } = await import('./server.ts');
  const server = await startServer(start).catch((error: unknown) => {
    // What a failed start may have left open must not keep the process alive.
    setTimeout(() => process.exit(1), 1000).unref();
    throw error;
  });
  options.out(renderUrls(options.version, server.urls, server.notes));
  start.log.info({ signal: await stopped }, 'stopping');
  await server.close();
  start.log.info({}, 'stopped');
  // Whatever a library may have left open must not keep a stopped server alive.
  process.exit(0);
}

/** The table of URLs that a start prints, and lines below it. */
export function renderUrls(version: string, urls: RunningServer['urls'], notes: readonly string[] = []): string {
  const width = Math.max(0, ...urls.map(({ what }) => what.length));
  const rows = urls.map(({ what, url }) => `  ${what.padEnd(width)}  ${url}`);
  const below = notes.length === 0 ? '' : `${notes.map((note) => `  ${note}`).join('\n')}\n\n`;
  return `\nSluice ${version} is running\n\n${rows.join('\n')}\n\n${below}Press Ctrl+C to stop.\n\n`;
}

/** Resolves at the first signal; a later one, or a close that takes too long, ends the process with code 1. */
function stopSignal(log: Log): Promise<string> {
  return new Promise((resolve) => {
    let firstAt: number | undefined;
    const onSignal = (signal: NodeJS.Signals): void => {
      const now = performance.now();
      if (firstAt === undefined) {
        firstAt = now;
        setTimeout(() => {
          log.error({ timeoutMs: CLOSE_TIMEOUT_MS }, 'the server did not close in time');
          process.exit(1);
        }, CLOSE_TIMEOUT_MS).unref();
        resolve(signal);
      } else if (now - firstAt > SAME_SIGNAL_MS) {
        log.warn({ signal }, 'second signal: stopping at once');
        process.exit(1);
      }
    };
    process.on('SIGINT', onSignal);
    process.on('SIGTERM', onSignal);
  });
}

/** An error that nobody handles leaves the server in a state that nobody knows: say what it was and end. */
function exitOnStrayErrors(log: Log): void {
  const fatal = (kind: string) => (error: unknown) => {
    log.error({ err: error }, `fatal: ${kind}`);
    process.exit(1);
  };
  process.on('uncaughtException', fatal('uncaught exception'));
  process.on('unhandledRejection', fatal('unhandled rejection'));
}

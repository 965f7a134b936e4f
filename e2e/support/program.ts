import { type ChildProcess, spawn } from 'node:child_process';

/** Far more than any program takes, on a busy machine as well. */
const KILL_AFTER_MS = 10_000;

export interface ProgramOptions {
  readonly env?: NodeJS.ProcessEnv;
  readonly cwd?: string;
}

/** A program that runs beside the test, with all it prints kept. */
export class Program {
  stdout = '';
  stderr = '';
  /** Told each line of standard output as it comes, which is not kept then. */
  onLine: ((line: string) => void) | undefined;
  readonly exited: Promise<number | null>;
  readonly #child: ChildProcess;

  constructor(command: string, args: readonly string[], options: ProgramOptions = {}) {
    this.#child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], ...options });
    this.#child.stdout?.on('data', (text) => this.#onOutput(String(text)));
    this.#child.stderr?.on('data', (text) => (this.stderr += String(text)));
    this.exited = new Promise((resolve) => {
      this.#child.once('close', resolve);
      this.#child.once('error', (error) => {
        this.stderr += `${command}: ${error.message}\n`;
        resolve(null);
      });
    });
  }

  get running(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null && this.#child.pid !== undefined;
  }

  /** Resolves when the program has ended, when `enough` holds, or after `timeoutMs`. */
  async runUntil(enough: () => boolean, timeoutMs: number): Promise<void> {
    const deadline = Date.now() + timeoutMs;
    while (this.running && !enough() && Date.now() < deadline) await pause(50);
  }

  #onOutput(text: string): void {
    this.stdout += text;
    if (this.onLine === undefined) return;
    const lines = this.stdout.split('\n');
    this.stdout = lines.pop() ?? '';
    for (const line of lines) this.onLine(line);
  }

  /** Ends it and waits until it is gone; one that does not mind the signal is killed in the end. */
  async stop(signal: NodeJS.Signals = 'SIGINT'): Promise<void> {
    if (this.running) this.#child.kill(signal);
    const killer = setTimeout(() => this.#child.kill('SIGKILL'), KILL_AFTER_MS);
    await this.exited;
    clearTimeout(killer);
  }
}

/** Time between two looks at a condition. */
export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

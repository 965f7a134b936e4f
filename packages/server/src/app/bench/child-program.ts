import { type ChildProcess, spawn } from 'node:child_process';

/** As much of what a program says as is needed to tell why it failed. */
const KEPT_CHARS = 4000;
/** One that does not mind the signal to end is killed. */
const KILL_AFTER_MS = 8000;

/** Something of the benchmark's own that did not work; its message is for people. */
export class BenchError extends Error {}

/** A program that was started for one run of the benchmark. */
export class ChildProgram {
  output = '';
  errors = '';
  readonly exited: Promise<number | null>;
  readonly #child: ChildProcess;

  constructor(args: readonly string[], env: Readonly<Record<string, string | undefined>>) {
    this.#child = spawn(process.execPath, [...args], { env, stdio: ['ignore', 'pipe', 'pipe'] });
    this.#child.stdout?.on('data', (text: Buffer) => {
      this.output += text.toString();
    });
    this.#child.stderr?.on('data', (text: Buffer) => {
      this.errors = `${this.errors}${text.toString()}`.slice(-KEPT_CHARS);
    });
    this.exited = new Promise((resolve) => {
      this.#child.once('close', (code) => resolve(code));
      this.#child.once('error', (error) => {
        this.errors += error.message;
        resolve(null);
      });
    });
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  get running(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null && this.#child.pid !== undefined;
  }

  /** Asks it to end and waits until it has. Idempotent. */
  async stop(): Promise<void> {
    if (this.running) this.#child.kill('SIGTERM');
    const killer = setTimeout(() => this.#child.kill('SIGKILL'), KILL_AFTER_MS);
    await this.exited;
    clearTimeout(killer);
  }
}

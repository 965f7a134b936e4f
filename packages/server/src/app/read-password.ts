import { createInterface } from 'node:readline';
import { Writable } from 'node:stream';

/** Where a password is read from. */
export interface PasswordSource {
  readonly input: NodeJS.ReadableStream & { readonly isTTY?: boolean };
  readonly output: NodeJS.WritableStream;
}

const MAX_LENGTH = 4096;

/**
 * One line: of a terminal after a prompt, without showing what is typed, or the first of what is piped in.
 * @returns undefined when the input ends before, or Ctrl+C was pressed
 */
export function readPassword(prompt: string, { input, output }: PasswordSource): Promise<string | undefined> {
  const terminal = input.isTTY === true;
  if (terminal) output.write(prompt);
  const silent = new Writable({ write: (_chunk, _encoding, done) => done() });
  const lines = createInterface({ input, output: silent, terminal, historySize: 0 });
  return new Promise((resolve) => {
    let line: string | undefined;
    lines.once('line', (text) => {
      line = text.slice(0, MAX_LENGTH);
      lines.close();
    });
    lines.once('SIGINT', () => lines.close());
    lines.once('close', () => {
      if (terminal) output.write('\n');
      resolve(line);
    });
  });
}

import { spawn } from 'node:child_process';
import { connect } from 'node:net';

/** An answer as it came, read by a client that is not Node's own. */
export interface RawAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** Runs curl with these arguments and gives the answer; its default headers and its TLS are its own. */
export function curl(...args: readonly string[]): Promise<RawAnswer> {
  return new Promise((resolve, reject) => {
    const child = spawn('curl', ['-s', '-i', '--max-time', '20', ...args], { stdio: ['ignore', 'pipe', 'ignore'] });
    let output = '';
    child.stdout.setEncoding('utf8').on('data', (chunk) => {
      output += String(chunk);
    });
    child.once('error', reject);
    child.once('close', (code) => {
      if (code === 0) resolve(parseAnswer(output));
      else reject(new Error(`curl ended with ${code}: ${output}`));
    });
  });
}

/** Sends bytes over a connection of their own and gives all that came until the server closed it. */
export function exchange(port: number, request: string | Buffer): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port });
    let text = '';
    socket.setEncoding('latin1').on('data', (chunk) => {
      text += String(chunk);
    });
    // What was sent after the answer is refused by a reset.
    socket.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'ECONNRESET' && error.code !== 'EPIPE') reject(error);
    });
    socket.once('close', () => resolve(text));
    socket.write(request);
  });
}

/** The first answer of what came over a connection. */
export function parseAnswer(text: string): RawAnswer {
  const end = text.indexOf('\r\n\r\n');
  const [first = '', ...lines] = text.slice(0, end).split('\r\n');
  const headers = lines.map((line) => {
    const colon = line.indexOf(':');
    return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()] as const;
  });
  return { status: Number(first.split(' ')[1]), headers: Object.fromEntries(headers), body: text.slice(end + 4) };
}

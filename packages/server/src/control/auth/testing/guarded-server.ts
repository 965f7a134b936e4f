import { type IncomingHttpHeaders, request } from 'node:http';
import { connect } from 'node:net';
import type { ControlOptions } from '../../control-options.ts';
import { ControlFixture } from '../../testing/control-fixture.ts';
import { hashPassword } from '../password-hash.ts';
import type { UserStore } from '../users.ts';
import type { StoredUser } from '../users-file.ts';

export const PASSWORD = 'pass:word with ä';
const HASH = await hashPassword(PASSWORD, 10);

/** An answer as a client sees it. */
export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
}

export interface Call {
  readonly method?: string;
  readonly headers?: Record<string, string>;
  readonly body?: string;
}

/** As from another machine: the name that a client there uses. */
export const REMOTE = { host: 'media.example:8081' };

export const basic = (name: string, password: string): string =>
  `Basic ${Buffer.from(`${name}:${password}`).toString('base64')}`;

/** A control server with the users `admin` and `guest`, who is not active, and the stream `secret-room`. */
export class GuardedServer {
  readonly fixture = new ControlFixture();
  readonly users = new Map<string, StoredUser>([
    ['admin', { name: 'admin', passwordHash: HASH, active: true }],
    ['guest', { name: 'guest', passwordHash: HASH, active: false }],
  ]);
  readonly store: UserStore = { find: async (name) => this.users.get(name) };
  port = 0;

  async start(options: Partial<ControlOptions> = {}): Promise<void> {
    await this.fixture.start({ users: this.store }, options);
    this.port = this.fixture.server?.port ?? 0;
    this.fixture.publish('secret-room');
  }

  close(): Promise<void> {
    return this.fixture.close();
  }

  call(path: string, { method = 'GET', headers = {}, body }: Call = {}): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const sent = request({ host: '127.0.0.1', port: this.port, path, method, headers, agent: false }, (response) => {
        let text = '';
        response.setEncoding('utf8');
        response.on('data', (chunk: string) => (text += chunk));
        response.on('error', reject);
        response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, text }));
      });
      sent.on('error', reject);
      sent.end(body);
    });
  }

  /** The same from another machine. */
  remote(path: string, { headers, ...call }: Call = {}): Promise<Answer> {
    return this.call(path, { ...call, headers: { ...REMOTE, ...headers } });
  }

  login(password = PASSWORD, headers: Record<string, string> = {}): Promise<Answer> {
    return this.remote('/api/login', {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify({ user: 'admin', password }),
    });
  }

  /** Sends bytes as they are and gives all that comes back until the server hangs up. */
  async raw(text: string): Promise<string> {
    const socket = connect(this.port, '127.0.0.1');
    let answer = '';
    socket.on('data', (chunk) => (answer += chunk.toString('latin1')));
    socket.on('error', () => {});
    socket.write(text, 'latin1');
    // A server that has heard enough may reset the connection, which is no error here.
    await new Promise((resolve) => socket.once('close', resolve));
    return answer;
  }
}

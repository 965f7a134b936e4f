import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { request as httpRequest, type IncomingHttpHeaders } from 'node:http';
import { type ClientHttp2Session, connect } from 'node:http2';
import { request as httpsRequest } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Track } from '@sluice/media';
import { Adaptations, OPEN_ACCESS, SessionRegistry, StreamRegistry } from '../../../core/index.ts';
import type { TlsIdentity } from '../../../io/index.ts';
import type { HlsOptions } from '../options.ts';
import { HlsServer } from '../server.ts';
import { fakeCounters, fakeLog, ManualTicker } from './fakes.ts';

/** H.264 of 640x360, so that there is a configuration to write. */
export const PICTURE: Track = {
  id: 0,
  kind: 'video',
  codec: 'h264',
  clockRate: 90_000,
  parameters: [
    Buffer.from('6742c01ed900a02ff97011000003000100000300320f162e48', 'hex'),
    Buffer.from('68cb83cb20', 'hex'),
  ],
};

/** A server on both doors, and all that it is given. */
export async function makeRig(options: Partial<HlsOptions> = {}) {
  const streams = new StreamRegistry({ reconnectWaitMs: 0, maxStreams: 10 });
  const sessions = new SessionRegistry();
  const log = fakeLog();
  const counters = fakeCounters();
  const ticker = new ManualTicker();
  const adaptations = new Adaptations({ converter: undefined, log, counters });
  const deps = { streams, sessions, resolvers: [], adaptations, access: OPEN_ACCESS, log, counters, ticker };
  const secure = { port: 0, identity: await testIdentity() };
  const server = new HlsServer(deps, { host: '127.0.0.1', port: 0, secure, autoStart: true, ...options });
  await server.start();
  const rig = {
    ...deps,
    server,
    plain: `http://127.0.0.1:${server.port}`,
    secure: `https://127.0.0.1:${server.securePort}`,
    /** Lets go of all, and tells what was left over. */
    close: async () => {
      await server.close();
      const left = [sessions.size, ticker.listeners.size, server.heldRequests, server.waitingRequests];
      streams.close();
      return left;
    },
  };
  return rig;
}

export type Rig = Awaited<ReturnType<typeof makeRig>>;

let identity: TlsIdentity | undefined;

/** A certificate of our own making, once a process. */
export async function testIdentity(): Promise<TlsIdentity> {
  if (identity !== undefined) return identity;
  const folder = mkdtempSync(join(tmpdir(), 'sluice-cert-'));
  const [cert, key] = [join(folder, 'cert.pem'), join(folder, 'key.pem')];
  const args = 'req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=127.0.0.1'.split(' ');
  execFileSync('openssl', [...args, '-addext', 'subjectAltName=IP:127.0.0.1', '-keyout', key, '-out', cert], {
    stdio: 'ignore',
  });
  identity = { cert: readFileSync(cert, 'utf8'), key: readFileSync(key, 'utf8') };
  rmSync(folder, { recursive: true });
  return identity;
}

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

export interface Sending {
  readonly method?: string;
  readonly headers?: Record<string, string>;
  readonly signal?: AbortSignal;
}

/** A bare request by HTTP/1.1, also over TLS: fetch would repair broken paths and hide headers. */
export function get(url: string, sending: Sending = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const { scheme, host, port, path } =
      /^(?<scheme>https?):\/\/(?<host>[^:/]+):(?<port>\d+)(?<path>.*)$/.exec(url)?.groups ?? {};
    const options = { host, port, path, agent: false as const, ca: identity?.cert, ...sending };
    const sent = (scheme === 'https' ? httpsRequest : httpRequest)(options, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () =>
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(chunks) }),
      );
    });
    sent.on('error', reject);
    sent.end();
  });
}

/** An HTTP/2 connection to the server; errors of it are the test's to see by its requests. */
export function http2Session(rig: Rig): ClientHttp2Session {
  const session = connect(rig.secure, { ca: identity?.cert });
  session.on('error', () => {});
  return session;
}

/** A request by HTTP/2. */
export function get2(session: ClientHttp2Session, path: string, sending: Sending = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const { method = 'GET', headers = {} } = sending;
    const stream = session.request({ ':method': method, ':path': path, ...headers });
    const chunks: Buffer[] = [];
    let head: IncomingHttpHeaders & { ':status'?: number | undefined } = {};
    stream.on('response', (answer) => {
      head = answer;
    });
    stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    stream.on('error', reject);
    stream.on('close', () => resolve({ status: head[':status'] ?? 0, headers: head, body: Buffer.concat(chunks) }));
    stream.end();
  });
}

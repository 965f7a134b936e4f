import { type ChildProcess, spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, vi } from 'vitest';

export const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const SLUICE = join(ROOT, 'packages/server/bin/sluice.mjs');
/** A busy machine takes its time; how soon a server starts is looked at in a test of its own. */
const START_TIMEOUT_MS = 60_000;

/**
 * Free ports are looked for below those that the system gives to outgoing connections, each worker among ports of its own, from
 * a place of this process's own: so nobody takes one before its server does.
 */
const PORTS = { first: 10_000, count: 20_000, workers: 8 };
const OWN_PORTS = PORTS.count / PORTS.workers;
const FIRST_PORT = PORTS.first + (Number(process.env['VITEST_POOL_ID'] ?? 0) % PORTS.workers) * OWN_PORTS;
let nextPort = Math.floor(Math.random() * OWN_PORTS);

/** A TCP port that nobody listens on. */
export async function freePort(): Promise<number> {
  return findPort((port, settled) => {
    const server = createServer();
    server.once('error', () => settled(false));
    server.listen(port, () => server.close(() => settled(true)));
  });
}

/** A UDP port that nobody listens on. */
export async function freeUdpPort(): Promise<number> {
  return findPort((port, settled) => {
    const socket = createSocket('udp4');
    socket.once('error', () => settled(false));
    socket.bind(port, () => socket.close(() => settled(true)));
  });
}

/** A port that nobody listens on, neither by UDP nor by TCP. */
async function freeMediaPort(): Promise<number> {
  return findPort((port, settled) => {
    const server = createServer();
    const socket = createSocket('udp4');
    const end = (free: boolean): void => {
      server.close();
      socket.close(() => settled(free));
    };
    server.once('error', () => end(false));
    socket.once('error', () => settled(false));
    socket.bind(port, () => server.listen(port, () => end(true)));
  });
}

async function findPort(probe: (port: number, settled: (free: boolean) => void) => void): Promise<number> {
  for (let tries = 0; tries < 1000; tries++) {
    const port = FIRST_PORT + (nextPort++ % OWN_PORTS);
    if (await new Promise<boolean>((settled) => probe(port, settled))) return port;
  }
  throw new Error('no free port');
}

/** Ports for all that a server listens on, so that several can run beside each other. */
export async function freePorts() {
  return {
    rtmp: await freePort(),
    hls: await freePort(),
    hlsSecure: await freePort(),
    http: await freePort(),
    https: await freePort(),
    ws: await freePort(),
    wss: await freePort(),
    rtsp: await freePort(),
    srt: await freeUdpPort(),
    media: await freeMediaPort(),
    turn: await freeMediaPort(),
    turns: await freePort(),
  };
}

export type ServerPorts = Awaited<ReturnType<typeof freePorts>>;

/** Those ports as settings. */
export function portSettings(ports: ServerPorts): Record<string, number> {
  return {
    'rtmp.port': ports.rtmp,
    'hls.port': ports.hls,
    'hls.https.port': ports.hlsSecure,
    'http.port': ports.http,
    'https.port': ports.https,
    'ws.port': ports.ws,
    'wss.port': ports.wss,
    'rtsp.port': ports.rtsp,
    'srt.port': ports.srt,
    media_port_from: ports.media,
    turn_port: ports.turn,
    turns_port: ports.turns,
  };
}

/** The server as a user starts it: its own process, its own folder, free ports. */
export class TestServer {
  readonly rtmpPort: number;
  readonly hlsPort: number;
  readonly httpPort: number;
  readonly ports: ServerPorts;
  readonly folder: string;
  output = '';
  readonly #child: ChildProcess;
  readonly #exited: Promise<number | null>;

  private constructor(child: ChildProcess, folder: string, ports: ServerPorts) {
    this.#child = child;
    this.folder = folder;
    this.rtmpPort = ports.rtmp;
    this.hlsPort = ports.hls;
    this.httpPort = ports.http;
    this.ports = ports;
    this.#exited = new Promise((resolve) => child.once('exit', resolve));
    child.stdout?.on('data', (text) => (this.output += String(text)));
    child.stderr?.on('data', (text) => (this.output += String(text)));
  }

  static async start(
    options: { settings?: Record<string, string | number>; args?: string[]; folder?: string; ports?: ServerPorts } = {},
  ): Promise<TestServer> {
    const { ports = await freePorts(), folder = mkdtempSync(join(tmpdir(), 'sluice-e2e-')) } = options;
    const settings = { ...portSettings(ports), ...options.settings };
    const sets = Object.entries(settings).flatMap(([key, value]) => ['--set', `${key}=${value}`]);
    const args = [SLUICE, 'start', '--data-dir', folder, ...sets, ...(options.args ?? [])];
    const server = new TestServer(spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] }), folder, ports);
    await server.until(/is running/, START_TIMEOUT_MS);
    return server;
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** Waits until the server's output has a line that fits. */
  async until(pattern: RegExp, timeoutMs: number): Promise<void> {
    const deadline = Date.now() + timeoutMs;
    while (!pattern.test(this.output)) {
      if (this.#child.exitCode !== null || Date.now() > deadline) throw new Error(`no ${pattern} in:\n${this.output}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  rtmp(name: string): string {
    return `rtmp://127.0.0.1:${this.rtmpPort}/live/${name}`;
  }

  hls(name: string): string {
    const part = encodeURIComponent(name);
    return `http://127.0.0.1:${this.hlsPort}/${part}/${part}.m3u8`;
  }

  /** The same with TLS, by HTTP/2. */
  hlsSecure(name: string): string {
    const part = encodeURIComponent(name);
    return `https://127.0.0.1:${this.ports.hlsSecure}/${part}/${part}.m3u8`;
  }

  dash(name: string): string {
    const part = encodeURIComponent(name);
    return `http://127.0.0.1:${this.hlsPort}/${part}/${part}.mpd`;
  }

  rtsp(name: string): string {
    return `rtsp://127.0.0.1:${this.ports.rtsp}/${encodeURIComponent(name)}`;
  }

  /** Address of HTTP-FLV; with `ws` for the scheme, of WebSocket-FLV. */
  flv(name: string, scheme: 'http' | 'ws' = 'http'): string {
    return `${scheme}://127.0.0.1:${this.httpPort}/flv/${encodeURIComponent(name)}.flv`;
  }

  http(path: string): string {
    return `http://127.0.0.1:${this.httpPort}${path}`;
  }

  /** Waits until a stream of that name is live and its picture size is known. */
  async untilLive(name: string): Promise<void> {
    const look = async (): Promise<void> => expect(await this.streamNames()).toContain(name);
    await vi.waitFor(look, { timeout: 15_000, interval: 50 });
  }

  async streamNames(): Promise<string[]> {
    const response = await fetch(this.http('/rest-api/stream/find_all'));
    if (response.status !== 200) return [];
    return ((await response.json()) as { name: string; published: boolean }[])
      .filter((s) => s.published)
      .map((s) => s.name);
  }

  /** Ends the server as a power cut does, and keeps its folder. */
  async kill(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#exited;
  }

  /** Calls a method of the REST API; `undefined` for an answer without body. @throws Error for any status but 200 */
  async rest<T>(method: string, body: unknown = {}): Promise<T> {
    const response = await fetch(this.http(`/rest-api${method}`), { method: 'POST', body: JSON.stringify(body) });
    const text = await response.text();
    if (response.status !== 200) throw new Error(`${method}: ${response.status} ${text}`);
    return (text === '' ? undefined : JSON.parse(text)) as T;
  }

  /** Ends the server as a supervisor does and checks that it ended well, in time. */
  async stop(signal: 'SIGTERM' | 'SIGINT' = 'SIGTERM'): Promise<void> {
    const started = Date.now();
    if (this.#child.exitCode === null) this.#child.kill(signal);
    const code = await this.#exited;
    rmSync(this.folder, { recursive: true, force: true });
    expect(code, this.output).toBe(0);
    expect(Date.now() - started).toBeLessThan(10_000);
  }
}

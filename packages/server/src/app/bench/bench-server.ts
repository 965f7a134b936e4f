import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { PACKAGE_FOLDER } from '../package-folder.ts';
import { BenchError, ChildProgram } from './child-program.ts';

/** Nobody but this machine reaches it. */
const HOST = '127.0.0.1';
const START_TIMEOUT_MS = 30_000;
const LOOK_MS = 100;

interface Ports {
  readonly rtmp: number;
  readonly http: number;
  readonly hls: number;
}

/** A server of our own, in a process of its own, on free ports of the loopback and with an empty folder. */
export class BenchServer {
  readonly #program: ChildProgram;
  readonly #folder: string;
  readonly #ports: Ports;

  private constructor(program: ChildProgram, folder: string, ports: Ports) {
    this.#program = program;
    this.#folder = folder;
    this.#ports = ports;
  }

  /**
   * @param sets settings of the user, over ours
   * @throws BenchError when it does not start
   */
  static async start(sets: readonly string[], env: Readonly<Record<string, string | undefined>>): Promise<BenchServer> {
    const folder = mkdtempSync(join(tmpdir(), 'sluice-bench-'));
    const ports = { rtmp: await freePort(), http: await freePort(), hls: await freePort() };
    const settings = {
      bind_address: HOST,
      'rtmp.port': ports.rtmp,
      'http.port': ports.http,
      'hls.port': ports.hls,
      media_port_from: await freeMediaPort(),
      ...Object.fromEntries(UNUSED_PORTS.map((name) => [name, 0])),
      // Sending is what is measured, not an encoder that begins because a busy machine makes ways look thin.
      webrtc_thin_renditions: false,
      log_level: 'error',
    };
    const all = [...Object.entries(settings).map(([name, value]) => `${name}=${value}`), ...sets];
    const options = ['start', '--data-dir', folder, ...all.flatMap((set) => ['--set', set])];
    const program = new ChildProgram([join(PACKAGE_FOLDER, 'bin/sluice.mjs'), ...options], env);
    const server = new BenchServer(program, folder, ports);
    try {
      for (const port of Object.values(ports)) await server.#listens(port);
      return server;
    } catch (error) {
      await server.close();
      throw error;
    }
  }

  get pid(): number {
    return this.#program.pid;
  }

  /** Addresses in the form that the load generator takes. */
  urls(): { readonly rtmp: string; readonly whip: string; readonly whep: string; readonly hls: string } {
    const { rtmp, http, hls } = this.#ports;
    return {
      rtmp: `rtmp://${HOST}:${rtmp}/live/tv`,
      whip: `whip:http://${HOST}:${http}/whip/rtc`,
      whep: `whep:http://${HOST}:${http}/whep/rtc`,
      hls: `hls:http://${HOST}:${hls}/tv/tv.m3u8`,
    };
  }

  /** Resident memory of the server's own process; NaN where the system does not tell. */
  residentBytes(): number {
    try {
      return 1024 * Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${this.pid}/status`, 'latin1'))?.[1]);
    } catch {
      return Number.NaN;
    }
  }

  /** Idempotent. */
  async close(): Promise<void> {
    await this.#program.stop();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  async #listens(port: number): Promise<void> {
    const deadline = performance.now() + START_TIMEOUT_MS;
    while (!(await opens(port))) {
      if (!this.#program.running || performance.now() > deadline) {
        const why = this.#program.errors.trim().split('\n', 1)[0] ?? '';
        throw new BenchError(`the server of the benchmark does not start: ${why}`);
      }
      await delay(LOOK_MS);
    }
  }
}

const UNUSED_PORTS = [
  'https.port',
  'hls.https.port',
  'ws.port',
  'wss.port',
  'rtsp.port',
  'srt.port',
  'turn_port',
  'turns_port',
];

function opens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: HOST }, () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, HOST);
  await once(server, 'listening');
  const { port } = server.address() as { readonly port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** Free by UDP, and most likely by TCP as well. */
async function freeMediaPort(): Promise<number> {
  const socket = createSocket('udp4');
  socket.bind(0, HOST);
  await once(socket, 'listening');
  const { port } = socket.address();
  await new Promise<void>((resolve) => {
    socket.close(() => resolve());
  });
  return port;
}

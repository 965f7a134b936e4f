import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

/** Debian's Python, which has GStreamer's modules; another one in the PATH may not. */
const PYTHON = '/usr/bin/python3';
const SCRIPT = fileURLToPath(new URL('gstreamer-cameras.py', import.meta.url));

export interface GStreamerMount {
  /** Ends with payloaders that are called `pay0`, `pay1`. */
  readonly pipeline: string;
  /** The only transport that is taken; both by default. */
  readonly lower?: 'tcp' | 'udp';
}

export const CAMERA_USER = { user: 'admin', password: 'p@ss:w0rd' };

/** Cameras that are GStreamer's RTSP server, in a process of their own. */
export class GStreamerCameras {
  readonly ports: Readonly<Record<'open' | 'digest' | 'basic', number>>;
  readonly #process: ChildProcess;

  private constructor(process: ChildProcess, ports: GStreamerCameras['ports']) {
    this.#process = process;
    this.ports = ports;
  }

  static async start(mounts: Readonly<Record<string, GStreamerMount>>): Promise<GStreamerCameras> {
    const child = spawn(PYTHON, [SCRIPT, JSON.stringify({ mounts, ...CAMERA_USER })], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    const [line] = await Promise.race([
      once(child.stdout, 'data'),
      once(child, 'exit').then(([code]) => Promise.reject(new Error(`the cameras ended with ${code}`))),
    ]);
    return new GStreamerCameras(child, JSON.parse(String(line)));
  }

  url(server: keyof GStreamerCameras['ports'], path: string, scheme = 'rtsp'): string {
    const { user, password } = CAMERA_USER;
    const login = server === 'open' ? '' : `${user}:${encodeURIComponent(password)}@`;
    return `${scheme}://${login}127.0.0.1:${this.ports[server]}/${path}`;
  }

  /** Breaks all connections. */
  drop(): void {
    this.#process.stdin?.write('drop\n');
  }

  async close(): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const over = once(this.#process, 'exit');
    this.#process.stdin?.end();
    const timer = setTimeout(() => this.#process.kill('SIGKILL'), 2000);
    await over;
    clearTimeout(timer);
  }
}

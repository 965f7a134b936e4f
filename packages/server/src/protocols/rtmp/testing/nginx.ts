import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** nginx with its RTMP module, one application `live`. */
export class Nginx {
  readonly port: number;
  readonly #child: ChildProcess;
  readonly #folder: string;

  private constructor(port: number, child: ChildProcess, folder: string) {
    this.port = port;
    this.#child = child;
    this.#folder = folder;
  }

  static async start(port?: number): Promise<Nginx> {
    const at = port ?? (await freePort());
    const folder = mkdtempSync(join(tmpdir(), 'nginx-rtmp-'));
    const config = join(folder, 'nginx.conf');
    writeFileSync(
      config,
      `load_module /usr/lib/nginx/modules/ngx_rtmp_module.so;
daemon off; user root; worker_processes 1; pid ${join(folder, 'nginx.pid')}; error_log ${join(folder, 'nginx.log')} error;
events { worker_connections 64; }
rtmp {
  access_log off;
  server {
    listen 127.0.0.1:${at};
    application live { live on; }
  }
}
`,
    );
    const child = spawn('/usr/sbin/nginx', ['-c', config, '-p', folder], { stdio: 'inherit' });
    await listening(at, child);
    return new Nginx(at, child, folder);
  }

  async stop(): Promise<void> {
    await new Promise<void>((resolve) => {
      if (this.#child.exitCode !== null) return resolve();
      this.#child.once('exit', () => resolve());
      this.#child.kill('SIGTERM');
    });
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

/** A port of this machine that nobody listens on. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });
}

/** Waits until that program listens, and fails when it ends instead. */
async function listening(port: number, child: ChildProcess): Promise<void> {
  for (;;) {
    if (child.exitCode !== null) throw new Error(`nginx ended with code ${child.exitCode}`);
    const open = await new Promise<boolean>((resolve) => {
      const socket: Socket = connect({ port, host: '127.0.0.1' }, () => {
        socket.destroy();
        resolve(true);
      });
      socket.once('error', () => resolve(false));
    });
    if (open) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

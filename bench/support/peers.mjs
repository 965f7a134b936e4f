// Servers that the benchmarks compare, each as { name, pid, port, stop }. Nothing outlives the run.
import { spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const MAIN = fileURLToPath(new URL('../../packages/server/dist/app/main.js', import.meta.url));

export function freePort() {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

/** One that is free by UDP and TCP alike, as WebRTC needs it. */
export async function freeMediaPort() {
  for (;;) {
    const port = await freePort();
    const isFree = await new Promise((resolve) => {
      const socket = createSocket('udp4');
      socket.once('error', () => resolve(false));
      socket.bind(port, () => socket.close(() => resolve(true)));
    });
    if (isFree) return port;
  }
}

async function listening(port, child) {
  for (let i = 0; i < 200; i++) {
    if (child.exitCode !== null) throw new Error(`server ended with code ${child.exitCode}`);
    const open = await new Promise((resolve) => {
      const socket = connect({ port, host: '127.0.0.1' }, () => {
        socket.destroy();
        resolve(true);
      });
      socket.once('error', () => resolve(false));
    });
    if (open) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error('server does not listen');
}

export function stopper(child) {
  return () =>
    new Promise((resolve) => {
      if (child.exitCode !== null) return resolve();
      child.once('exit', resolve);
      child.kill('SIGTERM');
    });
}

export async function startSluice(folder, settings = {}) {
  const port = await freePort();
  const off = {
    'http.port': 0,
    'https.port': 0,
    'hls.https.port': 0,
    'hls.port': 0,
    'ws.port': 0,
    'wss.port': 0,
    'rtsp.port': 0,
    'srt.port': 0,
    media_port_from: 0,
    turn_port: 0,
    turns_port: 0,
  };
  const all = { 'rtmp.port': port, ...off, log_level: 'warn', ...settings };
  const args = [MAIN, 'start', '--data-dir', join(folder, 'sluice')];
  for (const [key, value] of Object.entries(all)) args.push('--set', `${key}=${value}`);
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'inherit'] });
  for (const key of ['rtmp.port', 'http.port', 'rtsp.port']) {
    if (Number(all[key]) !== 0) await listening(all[key], child);
  }
  return { name: 'sluice', pid: child.pid, port, stop: stopper(child) };
}

/** nginx with Debian's libnginx-mod-rtmp, one worker, its defaults otherwise. */
export async function startNginx(folder) {
  const port = await freePort();
  const config = join(folder, 'nginx.conf');
  writeFileSync(
    config,
    `load_module /usr/lib/nginx/modules/ngx_rtmp_module.so;
daemon off; user root; worker_processes 1; worker_rlimit_nofile 8192; pid ${join(folder, 'nginx.pid')};
error_log ${join(folder, 'nginx.log')} error;
events { worker_connections 4096; }
rtmp { access_log off; server { listen 127.0.0.1:${port}; application live { live on; } } }
`,
  );
  const child = spawn('/usr/sbin/nginx', ['-c', config, '-p', folder], { stdio: ['ignore', 'ignore', 'inherit'] });
  await listening(port, child);
  const worker = readdirSync('/proc').find((pid) => {
    try {
      return readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ')[1] === String(child.pid);
    } catch {
      return false;
    }
  });
  return { name: 'nginx-rtmp', pid: Number(worker), port, stop: stopper(child) };
}

/** CPU seconds (user and system) that a process has used, and its resident memory in KiB. */
export function usage(pid) {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ');
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return { cpu: (Number(fields[11]) + Number(fields[12])) / 100, rssKib: Number(/VmRSS:\s+(\d+)/.exec(status)[1]) };
}

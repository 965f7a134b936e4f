// Processes that the benchmarks start, and what they use. Nothing outlives the run.
import { spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { readdirSync, readFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';

const START_TIMEOUT_MS = 20_000;
const LOOK_MS = 4;

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

function opens(port) {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1' }, () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}

/** Starts a program and waits until it takes connections at all those ports; `startMs` is how long that took. */
export async function launch(name, [program, ...args], { ports, env = {}, cwd }) {
  const began = performance.now();
  const options = { cwd, env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] };
  const child = spawn(program, args, options);
  let output = '';
  const keep = (text) => {
    output = `${output}${text}`.slice(-2000);
  };
  child.stdout.on('data', keep);
  child.stderr.on('data', keep);
  child.once('error', keep);
  for (const port of ports) {
    while (!(await opens(port))) {
      if (child.exitCode !== null || child.pid === undefined) throw new Error(`${name} does not start: ${output}`);
      if (performance.now() - began > START_TIMEOUT_MS) throw new Error(`${name} does not listen: ${output}`);
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    }
  }
  return { name, pid: child.pid, startMs: performance.now() - began, stop: stopper(child) };
}

function stopper(child) {
  return () =>
    new Promise((resolve) => {
      if (child.exitCode !== null) return resolve();
      child.once('exit', resolve);
      child.kill('SIGTERM');
    });
}

/** CPU seconds (user and system) that a process has used, and its resident memory in KiB. */
export function usage(pid) {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ');
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return { cpu: (Number(fields[11]) + Number(fields[12])) / 100, rssKib: Number(/VmRSS:\s+(\d+)/.exec(status)[1]) };
}

/** The first process that was started by this one. */
export function childOf(pid) {
  const found = readdirSync('/proc').find((other) => {
    try {
      return readFileSync(`/proc/${other}/stat`, 'utf8').split(') ')[1]?.split(' ')[1] === String(pid);
    } catch {
      return false;
    }
  });
  return Number(found);
}

// The hot paths by themselves: bench/micro.mjs in a process of its own.
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const SCRIPT = fileURLToPath(new URL('../micro.mjs', import.meta.url));

async function micro({ quick }) {
  const { stdout } = await promisify(execFile)(process.execPath, [SCRIPT, '--json', ...(quick ? ['--quick'] : [])]);
  const us = (ns) => (ns / 1000).toFixed(2);
  const rows = JSON.parse(stdout).map(({ what, per, ns, leastNs, mostNs }) => [
    what,
    `${us(ns)} a ${per}`,
    us(leastNs),
    us(mostNs),
  ]);
  return { columns: ['what', 'µs, median', 'least', 'most'], rows, goals: [] };
}

export const scenarios = [
  {
    name: 'micro',
    title: 'Hot paths',
    run: micro,
    about: 'Each by itself in one thread, with two seconds of 720p30 of 1 Mbit/s (30 KB key frames, 3.9 KB others).',
  },
];

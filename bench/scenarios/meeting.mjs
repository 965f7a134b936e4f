// A meeting and a simulcast publisher, beside Janus: bench/meeting.mjs, whose lines are read.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { cell, goalOf } from './compare.mjs';

const SCRIPT = fileURLToPath(new URL('../meeting.mjs', import.meta.url));

async function meeting(context) {
  const load = context.quick ? ['--parties', '4', '--viewers', '9'] : [];
  const args = [SCRIPT, '--rounds', String(context.rounds), '--seconds', String(context.seconds), ...load];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const figures = new Map();
  const goals = [];
  for await (const line of createInterface({ input: child.stdout })) {
    context.say(line);
    const [what, by, ...rest] = line.split(' | ');
    const ratio = /median ratio .*: ([\d.]+)$/.exec(line)?.[1];
    if (ratio !== undefined)
      goals.push(
        goalOf({ what: `${what}: CPU of a packet against Janus`, text: '≤ 1.0', figure: Number(ratio), limit: 1 }),
      );
    else if (rest.length > 0 && by !== 'by')
      figures.set(`${what} | ${by}`, [...(figures.get(`${what} | ${by}`) ?? []), rest.map(Number)]);
  }
  const rows = [...figures].map(([name, rounds]) => {
    const middle = rounds[0].map(
      (_, at) => rounds.map((round) => round[at]).toSorted((a, b) => a - b)[Math.floor((rounds.length - 1) / 2)],
    );
    return [...name.split(' | '), ...middle.slice(0, 4).map((value) => cell(value))];
  });
  return { columns: ['load', 'server', 'CPU % of a core', 'packets / s', 'Mbit/s', 'µs / packet'], rows, goals };
}

export const scenarios = [
  {
    name: 'meeting',
    title: 'A meeting, and simulcast',
    run: meeting,
    needs: async () => (existsSync('/usr/bin/janus') ? undefined : 'not installed: apt install janus'),
    about:
      'Ten people who send 300 kbit/s each and see the nine others; 50 viewers of a publisher in three sizes. Scripted clients, the same for Janus (`bench/meeting.mjs`), on the loopback.',
  },
];

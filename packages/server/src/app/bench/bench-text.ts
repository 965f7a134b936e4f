import type { BenchProtocol, BenchResult, ProtocolResult } from './bench-run.ts';

const NAMES: Readonly<Record<BenchProtocol, string>> = { webrtc: 'WebRTC', rtmp: 'RTMP', hls: 'HLS' };
/** A server that is to be busy for longer than a moment should have some room. */
const SENSIBLE = 0.7;
const GIB = 2 ** 30;

/** Two figures that count: more would promise what such a measurement can't. */
function rough(value: number | undefined): string {
  if (value === undefined || !Number.isFinite(value)) return '–';
  if (value < 10) return String(Math.floor(value));
  const unit = 10 ** (Math.floor(Math.log10(value)) - 1);
  return (Math.floor(value / unit) * unit).toLocaleString('en-US');
}

/** The result for people: a table and what follows from it. */
export function benchText(result: BenchResult): string {
  const { machine, protocols, version } = result;
  const memory = `${Math.round(machine.memoryBytes / GIB)} GiB`;
  const head = ['', 'measured', 'CPU', 'delay p95', 'a viewer', 'one core', 'at 70 %', '1 Gbit/s'];
  const lines = [
    `Sluice ${version} on ${machine.cores} cores (${machine.cpu}), ${memory}, Node ${machine.node}`,
    'Viewers of one stream, 720p30 with 1 Mbit/s:',
    '',
    ...aligned([head, ...protocols.map(row)]),
    '',
    ...adviceOf(result).map((line) => `- ${line}`),
  ];
  return `${lines.join('\n')}\n`;
}

function row({ protocol, steps, capacity }: ProtocolResult): string[] {
  const last = steps.findLast(({ missing }) => missing === '') ?? steps.at(-1);
  const { perCore, kibEach, perGigabit } = capacity ?? {};
  return [
    NAMES[protocol],
    `${last?.viewers ?? 0} viewers`,
    last === undefined ? '–' : `${Math.round(last.cpu * 100)} %`,
    last?.delayP95Ms === undefined ? '–' : `${Math.round(last.delayP95Ms)} ms`,
    kibEach === undefined || Number.isNaN(kibEach) ? '–' : `${Math.round(kibEach)} KiB`,
    rough(perCore),
    rough(perCore === undefined ? undefined : perCore * SENSIBLE),
    rough(perGigabit),
  ];
}

function aligned(rows: readonly (readonly string[])[]): string[] {
  const widths = rows[0]?.map((_, at) => Math.max(...rows.map((cells) => cells[at]?.length ?? 0))) ?? [];
  return rows.map((cells) =>
    cells
      .map((text, at) => (at === 0 ? text.padEnd(widths[at] ?? 0) : text.padStart(widths[at] ?? 0)))
      .join('   ')
      .trimEnd(),
  );
}

/** Sentences about what limits this machine. */
export function adviceOf({ protocols, native, machine }: BenchResult): string[] {
  const advice = protocols.flatMap(limitOf);
  if (!native)
    advice.push('the addon is not loaded, so WebRTC is sent by TypeScript: with g++ installed, "npm rebuild" makes it');
  const troubled = protocols.flatMap(({ protocol, steps }) => {
    const best = Math.max(0, ...steps.filter(({ missing }) => missing === '').map(({ viewers }) => viewers));
    const step = steps.find(({ missing, viewers }) => missing !== '' && viewers > best);
    return step === undefined ? [] : [`${NAMES[protocol]} with ${step.viewers} viewers: ${step.missing}`];
  });
  if (troubled.length > 0) advice.push(`not all was delivered: ${troubled.join('; ')}`);
  const limits = protocols.flatMap(({ steps }) => steps.flatMap(({ toolLimits }) => toolLimits));
  if (limits.length > 0) advice.push(`the load generator had too little room (${limits[0]}): the server can do more`);
  const shared = machine.cores < 4 ? 'and takes much of it' : 'and takes a part of it';
  advice.push(
    `the load generator ran on this machine ${shared}: figures are rough; sluice-load from another machine measures exactly`,
  );
  return advice;
}

/** What comes to its end first with 1 Gbit/s, and with what. */
function limitOf({ protocol, capacity }: ProtocolResult): string[] {
  if (capacity?.perCore === undefined) return [`${NAMES[protocol]}: nothing could be measured`];
  const { perCore, perGigabit, byMemory } = capacity;
  const core = perCore * SENSIBLE;
  const [what, count] = (
    [
      ['the processor', core],
      ['a network of 1 Gbit/s', perGigabit],
      ['memory', Number.isNaN(byMemory) ? Number.POSITIVE_INFINITY : byMemory],
    ] as const
  ).reduce((least, one) => (one[1] < least[1] ? one : least));
  return [`${NAMES[protocol]}: about ${rough(count)} viewers, then ${what} is the limit`];
}

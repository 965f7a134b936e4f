import type { GroupReport, LoadReport, Times } from './report.ts';

const number = (value: number, digits = 0): string =>
  value.toLocaleString('en-US', { minimumFractionDigits: digits, maximumFractionDigits: digits });
const percent = (share: number | undefined, digits = 0): string =>
  share === undefined ? 'unknown' : `${number(share * 100, digits)} %`;
const row = (name: string, text: string): string => `  ${name.padEnd(20)}${text}`;

/** The report for people. */
export function reportText(report: LoadReport): string {
  const { groups, server, tool, notes } = report;
  const lines = [`Watched for ${number(report.watchedSeconds, 1)} s after the last one had joined`];
  for (const group of groups) lines.push('', ...groupLines(group));
  lines.push('', 'Server');
  if (server === undefined) lines.push('  not looked at: give --metrics URL or --pid PID');
  else {
    const processes = server.processes === undefined ? '' : ` (${server.processes} processes)`;
    lines.push(row('CPU', `${percent(server.cpu)} of a core${processes}`));
    if (server.residentBytes !== undefined) lines.push(row('memory', `${number(server.residentBytes / 2 ** 20)} MiB`));
    if (server.loopP99Ms !== undefined)
      lines.push(
        row('event loop late', `p99 ${number(server.loopP99Ms, 1)} ms, max ${number(server.loopMaxMs ?? 0, 1)} ms`),
      );
    if (server.loopUtilization !== undefined) lines.push(row('event loop busy', percent(server.loopUtilization)));
  }
  lines.push('', 'This tool', row('CPU', toolCpu(tool)));
  for (const { name, utilization, worstUtilization, lateP99Ms } of tool.threads) {
    const busy = `busy ${percent(utilization)}, at worst ${percent(worstUtilization)}`;
    lines.push(row(name, `${busy}, late by ${number(lateP99Ms, 1)} ms (p99)`));
  }
  for (const limit of tool.limits) lines.push(`  WARNING: the tool may have been the limit: ${limit}`);
  for (const note of notes) lines.push(`  note: ${note}`);
  return lines.join('\n');
}

function toolCpu({ cpu, cpuPercentPerViewer }: LoadReport['tool']): string {
  const each = cpuPercentPerViewer === undefined ? '' : `, ${number(cpuPercentPerViewer, 3)} % for each viewer`;
  return `${percent(cpu)} of a core${each}`;
}

function groupLines(group: GroupReport): string[] {
  const { asked, joined, failed, ended, role } = group;
  const many = role === 'publish' ? 'publishers' : 'viewers';
  const lines = [`${asked} ${group.protocol} ${many}: ${group.url}`];
  const out = ended > 0 ? `, ${ended} thrown out` : '';
  lines.push(
    row('joined', `${joined} of ${asked}, ${failed} failed${out}; ${number(group.joinsPerSecond, 1)} a second`),
  );
  lines.push(row(role === 'view' ? 'first picture' : 'accepted after', times(group.firstPictureMs)));
  const rates = `${number(group.mbitPerSecond, 2)} Mbit/s, ${number(group.packetsPerSecond)} packets/s`;
  lines.push(row(role === 'view' ? 'received' : 'sent', rates));
  const isRtp = /^(whip|whep|websdk)$/.test(group.protocol);
  if (isRtp)
    lines.push(
      row('lost', `${group.lost} packets (${percent(group.lostShare, 3)}), ${group.repaired} came later or again`),
    );
  if (role === 'publish') lines.push(row('late at worst', `${number(group.worstLateMs)} ms`));
  else lines.push(...viewedLines(group));
  for (const [problem, count] of Object.entries(group.problems)) lines.push(row('problem', `${count} x ${problem}`));
  return lines;
}

function viewedLines(group: GroupReport): string[] {
  const lines: string[] = [];
  if (group.requests > 0) {
    const failed = group.requestsFailed > 0 ? `, ${group.requestsFailed} failed` : '';
    lines.push(row('requests', `${number(group.requestsPerSecond, 1)} a second${failed}`));
  }
  lines.push(row('pictures', `${group.pictures}, ${group.picturesMissing} left out as far as clocks were read`));
  lines.push(row('freezes', `${group.freezes}, ${number(group.frozenMs / 1000, 1)} s together`));
  lines.push(row('delay', group.delayMs === undefined ? 'unknown: no clock in the pictures' : times(group.delayMs)));
  if (group.undecryptable > 0) lines.push(row('undecryptable', `${group.undecryptable} packets`));
  return lines;
}

function times(told: Times | undefined): string {
  if (told === undefined) return 'unknown';
  const { p50, p95, max } = told;
  return `p50 ${number(p50)} ms, p95 ${number(p95)} ms, max ${number(max)} ms`;
}

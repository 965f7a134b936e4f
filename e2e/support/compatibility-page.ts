import { COLUMNS, type Column, expected, OUTPUTS, type Output, ROWS, type Row } from './matrix.ts';
import type { Shown } from './watched.ts';

const MARKS: Record<Shown, string> = { AV: '✓', V: 'picture only', A: 'sound only', nothing: '—' };

/** The page docs/compatibility.md, made from the table that the tests check. */
export function renderCompatibility(): string {
  const notes = new Map<string, number>();
  const sections = (Object.keys(OUTPUTS) as Output[]).map((output) => renderOutput(output, notes));
  const list = [...notes].map(([note, number]) => `${number}. ${note}`);
  return [HEAD, ...sections, ...(list.length > 0 ? [`## Notes\n\n${list.join('\n')}\n`] : [])].join('\n');
}

const HEAD = `# What plays where

<!-- Made by \`npm run docs:compatibility\` from e2e/support/matrix.ts. Do not edit. -->

Every cell is a test of \`npm test -- long\`, of which \`npm test\` takes a part: the program at the left publishes by RTMP,
the program at the top plays, and the test counts the pictures that were decoded and listens for the tone that was sent.
✓ means that all that was sent is seen and heard.
FFmpeg 8 says that it takes everything, and gets what is published as it is; the others get what they do not take
converted (see \`transcoding_disabled\` in the settings).
Notes say why a cell is less than that; it is tested, too, to be as it says.
The tests run with the programs of Debian 12 and, for FFmpeg 8, with the one that the npm package node-av brings.
`;

function renderOutput(output: Output, notes: Map<string, number>): string {
  const columns = COLUMNS.filter((column) => column.output === output);
  const head = ['Published', 'by', ...columns.map(({ name }) => name)];
  const rows = ROWS.map((row) => [
    [row.video, row.audio].filter((codec) => codec !== undefined).join(' + '),
    row.publisher,
    ...columns.map((column) => renderCell(row, column, notes)),
  ]);
  const widths = head.map((name, i) => Math.max(name.length, ...rows.map((cells) => (cells[i] ?? '').length)));
  const line = widths.map((width) => '-'.repeat(width));
  const lines = [head, line, ...rows].map(
    (cells) => `| ${cells.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join(' | ')} |`,
  );
  return `## Played by ${OUTPUTS[output]}\n\n${lines.join('\n')}\n`;
}

function renderCell(row: Row, column: Column, notes: Map<string, number>): string {
  const { shows, note } = expected(row, column);
  const mark = shows === 'AV' || note === undefined ? '✓' : MARKS[shows];
  if (note === undefined) return mark;
  if (!notes.has(note)) notes.set(note, notes.size + 1);
  return `${mark} [${notes.get(note)}](#notes)`;
}

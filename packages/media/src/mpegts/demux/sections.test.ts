import { describe, expect, it } from 'vitest';
import { mutate, prng } from '../../testing/mutate.ts';
import { writePat, writePmt } from '../psi.ts';
import { elementaryStreamsOf, programmesOf } from './programme.ts';
import { ProgrammeChoice } from './programme-choice.ts';
import { type CheckedSection, SectionAssembler } from './sections.ts';

/** A map of so many streams, without the pointer field. */
function map(streams: number): Uint8Array {
  const list = Array.from({ length: streams }, (_, i) => ({ pid: 0x100 + i, streamType: 0x1b }));
  return writePmt(list, 0x100).subarray(1);
}

function assembler(): {
  sections: CheckedSection[];
  broken: () => number;
  push: SectionAssembler['push'];
  lost(): void;
} {
  const sections: CheckedSection[] = [];
  let broken = 0;
  const assembling = new SectionAssembler({
    onSection: (section) => sections.push({ ...section, body: new Uint8Array(section.body) }),
    onBroken: () => broken++,
  });
  return {
    sections,
    broken: () => broken,
    push: (payload, isStart) => assembling.push(payload, isStart),
    lost: () => assembling.lost(),
  };
}

/** A payload of a transport packet: pointer field, what came before the section, the section, stuffing. */
function payload(before: Uint8Array, after: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(184).fill(0xff);
  bytes[0] = before.length;
  bytes.set(before, 1);
  bytes.set(after, 1 + before.length);
  return bytes;
}

const NOTHING = new Uint8Array(0);

describe('sections', () => {
  it('are put together of several packets, and may begin where another one ends', () => {
    const { sections, push, broken } = assembler();
    const long = map(60);
    expect(long.length).toBeGreaterThan(300);
    push(payload(NOTHING, long.subarray(0, 183)), true);
    push(payload(long.subarray(183), map(2)), true);
    expect(sections.map((section) => elementaryStreamsOf(section)?.length)).toEqual([60, 2]);
    expect(broken()).toBe(0);
  });

  it('are passed over when a part is missing', () => {
    const { sections, push, lost } = assembler();
    const long = map(60);
    push(payload(NOTHING, long.subarray(0, 183)), true);
    lost();
    push(payload(long.subarray(183), map(2)), true);
    expect(sections.map((section) => elementaryStreamsOf(section)?.length)).toEqual([2]);
  });

  it('that are not yet in force, or have a wrong check sum, are not given out', () => {
    const { sections, push, broken } = assembler();
    const later = writePat();
    later[6] = (later[6] ?? 0) & 0xfe;
    push(later, true);
    expect(broken()).toBe(1);
    push(writePat(), true);
    expect(sections.flatMap(programmesOf)).toEqual([{ number: 1, mapPid: 0x1000 }]);
  });

  it('that are mutated are refused, or are none', () => {
    const random = prng(11);
    const { sections, push, broken } = assembler();
    const whole = payload(NOTHING, map(20));
    for (let round = 0; round < 2000; round++) push(mutate(whole, random), random() < 0.8);
    // What the damage did not touch is right, as stuffing may be damaged.
    for (const section of sections) expect(elementaryStreamsOf(section)?.length).toBe(20);
    expect(broken()).toBeGreaterThan(500);
  });
});

describe('the choice of a programme', () => {
  const section = (tableId: number, extension: number, body: number[]): CheckedSection => ({
    tableId,
    extension,
    number: 0,
    body: Uint8Array.from(body),
  });
  const list = section(0, 1, [0, 1, 0xe1, 0, 0, 2, 0xe2, 0]);
  const mapOf = (programme: number, streamType: number): CheckedSection =>
    section(2, programme, [0xe1, 0, 0xf0, 0, streamType, 0xe1, programme, 0xf0, 0]);

  function choice(): { pids: number[][]; push(section: CheckedSection): void } {
    const pids: number[][] = [];
    const choosing = new ProgrammeChoice(
      { video: true, audio: true },
      { onMaps: () => {}, onStreams: (streams) => pids.push(streams.map(({ pid }) => pid)), onNote: () => {} },
    );
    return { pids, push: (pushed) => choosing.section(pushed) };
  }

  it('waits for the map of an earlier one, but not for ever', () => {
    const { pids, push } = choice();
    push(list);
    push(mapOf(2, 0x1b));
    push(mapOf(2, 0x1b));
    expect(pids).toEqual([]);
    push(mapOf(2, 0x1b));
    expect(pids).toEqual([[0x102]]);
    // It stays with what it has.
    push(mapOf(1, 0x1b));
    expect(pids).toEqual([[0x102]]);
  });

  it('passes over one without media, and chooses anew when its own is gone', () => {
    const { pids, push } = choice();
    push(list);
    push(mapOf(1, 0x06));
    push(mapOf(2, 0x1b));
    push(section(0, 1, [0, 1, 0xe1, 0]));
    push(mapOf(1, 0x0f));
    expect(pids).toEqual([[0x102], [], [0x101]]);
  });
});

import { expect, test } from 'vitest';
import { ArrivalRecorder } from './arrival-recorder.ts';

function sequences(recorder: ArrivalRecorder): { base: number; came: number[] } {
  const { baseSequence, arrivals } = recorder.take() ?? expect.fail('nothing to report');
  return { base: baseSequence, came: arrivals.map(({ sequence }) => sequence) };
}

test('each feedback is about the numbers after the one before, across the wrap', () => {
  const recorder = new ArrivalRecorder();
  for (const sequence of [65_533, 65_535, 0]) recorder.record(sequence, 10);
  expect(sequences(recorder)).toEqual({ base: 65_533, came: [65_533, 65_535, 65_536] });
  expect(recorder.take()).toBeUndefined();
  recorder.record(3, 20);
  expect(sequences(recorder)).toEqual({ base: 65_537, came: [65_539] });
});

test('arrival times are kept in microseconds and in order of number', () => {
  const recorder = new ArrivalRecorder();
  recorder.record(2, 10.25);
  recorder.record(1, 11);
  expect(recorder.take()?.arrivals).toEqual([
    { sequence: 1, arrivalUs: 11_000 },
    { sequence: 2, arrivalUs: 10_250 },
  ]);
});

test('a packet that comes after its loss was told is told by a feedback that begins with it', () => {
  const recorder = new ArrivalRecorder();
  for (const sequence of [1, 2, 4, 5]) recorder.record(sequence, 10);
  recorder.take();
  recorder.record(3, 50);
  recorder.record(6, 60);
  expect(sequences(recorder)).toEqual({ base: 3, came: [3, 4, 5, 6] });
  recorder.record(7, 60);
  expect(sequences(recorder)).toEqual({ base: 7, came: [7] });
});

test('doubles and packets that are far too late are left out', () => {
  const recorder = new ArrivalRecorder();
  for (let sequence = 0; sequence < 1000; sequence++) recorder.record(sequence, 1);
  while (recorder.take() !== undefined);
  recorder.record(999, 2);
  recorder.record(100, 2);
  expect(recorder.take()).toBeUndefined();
});

test('much that arrived is told in parts that each fit into a datagram', () => {
  const recorder = new ArrivalRecorder();
  for (let sequence = 0; sequence < 900; sequence++) recorder.record(sequence, sequence);
  const parts: number[] = [];
  for (let part = recorder.take(); part !== undefined; part = recorder.take()) parts.push(part.arrivals.length);
  expect(parts).toEqual([250, 250, 250, 150]);
});

test('jumps of the number cost no more than the window', () => {
  const recorder = new ArrivalRecorder();
  let told = 0;
  for (let i = 0; i < 2000; i++) {
    recorder.record((i * 30_011) & 0xffff, i);
    for (let part = recorder.take(); part !== undefined; part = recorder.take()) {
      told += part.arrivals.length;
      const last = part.arrivals.at(-1)?.sequence ?? 0;
      expect(last - part.baseSequence).toBeLessThan(4096);
    }
  }
  expect(told).toBeGreaterThan(500);
});

test('what is discarded is never told', () => {
  const recorder = new ArrivalRecorder();
  recorder.record(5, 1);
  recorder.discard();
  recorder.record(6, 2);
  expect(sequences(recorder)).toEqual({ base: 6, came: [6] });
});

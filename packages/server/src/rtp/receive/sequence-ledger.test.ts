import { expect, test } from 'vitest';
import { prng } from '../../../../media/src/testing/mutate.ts';
import { SequenceLedger } from './sequence-ledger.ts';

/** What became of each number, with its place in the lane. */
function feed(ledger: SequenceLedger, sequences: readonly number[]): string[] {
  return sequences.map((sequence) => {
    const arrival = ledger.arrive(sequence);
    return arrival === 'duplicate' || arrival === 'jump' ? arrival : `${arrival} ${ledger.number}`;
  });
}

function ledgerAt(number: number): SequenceLedger {
  const ledger = new SequenceLedger(256);
  ledger.restart(number);
  return ledger;
}

test('numbers go on across the wrap of the wire', () => {
  const ledger = ledgerAt(1000);
  expect(feed(ledger, [65_534, 65_535, 0, 1])).toEqual(['new 1000', 'new 1001', 'new 1002', 'new 1003']);
  expect(ledger.sequence).toBe(65_537);
});

test('a missing packet gets the number that was kept for it, once', () => {
  const ledger = ledgerAt(0);
  expect(feed(ledger, [65_535, 2])).toEqual(['new 0', 'new 3']);
  expect(ledger.gapStart).toBe(65_536);
  expect(feed(ledger, [1, 1, 0, 2])).toEqual(['late 2', 'duplicate', 'late 1', 'duplicate']);
});

test('packets that carry nothing leave no hole, also not for those that were missing before them', () => {
  const ledger = ledgerAt(50);
  feed(ledger, [10]);
  expect(feed(ledger, [12])).toEqual(['new 52']);
  ledger.skip();
  expect(feed(ledger, [13, 11, 14])).toEqual(['new 52', 'late 51', 'new 53']);
});

test('a retransmission is taken only for a packet that is missing', () => {
  const ledger = ledgerAt(0);
  feed(ledger, [100, 103]);
  expect([102, 102, 100, 104, 99, 40_000].map((sequence) => ledger.recover(sequence))).toEqual([
    'late',
    'duplicate',
    'duplicate',
    'duplicate',
    'duplicate',
    'duplicate',
  ]);
});

test('numbers beyond the window are not mistaken for missing ones', () => {
  const ledger = ledgerAt(0);
  feed(ledger, [1000, 1003]);
  expect(ledger.recover(1002 - 256)).toBe('duplicate');
  expect(ledger.arrive(1002 - 256)).toBe('duplicate');
  expect(ledger.recover(1002)).toBe('late');
});

test('a packet out of any range is left out, and two that follow each other begin anew behind a gap of one', () => {
  const ledger = ledgerAt(0);
  feed(ledger, [100]);
  expect(feed(ledger, [30_000, 101, 50_000, 20_000, 20_001, 20_002])).toEqual([
    'jump',
    'new 1',
    'jump',
    'jump',
    'restart 3',
    'new 4',
  ]);
});

test('of a large gap only the newest packets of the window can still come', () => {
  const ledger = ledgerAt(0);
  expect(feed(ledger, [0, 2900, 2899, 2645, 2644])).toEqual([
    'new 0',
    'new 2900',
    'late 2899',
    'late 2645',
    'duplicate',
  ]);
});

test('numbers stay unique over many packets of loss, reordering and doubles', () => {
  const ledger = ledgerAt(0);
  const seen = new Set<number>();
  let repeated = 0;
  const random = prng(1);
  for (let i = 0; i < 200_000; i++) {
    const arrival = ledger.arrive((i + Math.floor(random() * 40) - 20) & 0xffff);
    if (arrival === 'duplicate' || arrival === 'jump') continue;
    if (seen.has(ledger.number)) repeated++;
    seen.add(ledger.number);
  }
  expect(repeated).toBe(0);
  expect(seen.size).toBeGreaterThan(100_000);
});

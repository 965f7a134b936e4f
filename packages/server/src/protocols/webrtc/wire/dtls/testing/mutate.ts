import { RECORD_HEADER_BYTES } from '../records.ts';
import type { Random } from './random.ts';

const INTERESTING = [0, 1, 2, 3, 11, 12, 14, 16, 20, 21, 22, 23, 0x7f, 0x80, 0xfd, 0xfe, 0xff];

/** Changes bytes in one to five ways: bits, numbers, lengths, cuts, repetitions and parts of others. */
export function mutate(original: Buffer, others: readonly Buffer[], random: Random): Buffer {
  let bytes: Buffer = Buffer.from(original);
  for (let count = 1 + random.below(5); count > 0; count -= 1) bytes = change(bytes, others, random);
  return bytes;
}

function change(bytes: Buffer, others: readonly Buffer[], random: Random): Buffer {
  const at = random.below(bytes.length + 1);
  const length = random.below(bytes.length - at + 1);
  switch (random.below(9)) {
    case 0:
      return set(bytes, at, (bytes[at] ?? 0) ^ (1 << random.below(8)));
    case 1:
      return set(bytes, at, INTERESTING[random.below(INTERESTING.length)] ?? 0);
    case 2:
      return bytes.subarray(0, at);
    case 3:
      return Buffer.concat([bytes.subarray(0, at), random.bytes(random.below(16)), bytes.subarray(at)]);
    case 4:
      return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + length)]);
    case 5:
      return Buffer.concat([bytes.subarray(0, at + length), bytes.subarray(at)]);
    case 6: {
      const other = others[random.below(others.length)] ?? bytes;
      return Buffer.concat([bytes.subarray(0, at), other.subarray(random.below(other.length + 1))]);
    }
    case 7:
      // The header of the first record or message, where most decisions are made.
      return set(bytes, random.below(RECORD_HEADER_BYTES * 2), random.below(256));
    default:
      return Buffer.concat([bytes, others[random.below(others.length)] ?? bytes]);
  }
}

function set(bytes: Buffer, at: number, value: number): Buffer {
  if (at < bytes.length) bytes[at] = value;
  return bytes;
}

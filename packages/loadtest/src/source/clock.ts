/** NAL header of supplemental enhancement information that nothing refers to (ITU-T H.264 §7.3.1, table 7-1). */
const NAL_SEI = 6;
/** user_data_unregistered (ITU-T H.264 §D.1.7): a name of our own, and then whatever we like. */
const USER_DATA = 5;
const RBSP_STOP = 0x80;
/** Names our clock among the user data of others; made once at random. No byte of it is zero. */
const UUID = Buffer.from('9f1c6b2e8d4747a3b1e9c05d6c756963', 'hex');
const TIME_DIGITS = 16;
const NUMBER_DIGITS = 9;
const PAYLOAD_BYTES = UUID.length + TIME_DIGITS + NUMBER_DIGITS;

/** When a picture was sent, as it says itself. */
export interface PictureClock {
  /** Unix time in microseconds. */
  readonly sentUs: number;
  /** Counts the pictures of a publisher that have a clock, from 0 on. */
  readonly number: number;
}

/** Unix time in microseconds, of a clock that never steps back in this process. */
export function unixUs(): number {
  return Math.round((performance.timeOrigin + performance.now()) * 1000);
}

/**
 * The NAL unit that carries a picture's clock. Digits stand for bytes, so that nothing in it needs emulation prevention
 * and it is the same bytes in every container.
 */
export function clockUnit({ sentUs, number }: PictureClock): Uint8Array {
  const time = String(Math.max(0, Math.round(sentUs))).padStart(TIME_DIGITS, '0');
  const count = String(number % 10 ** NUMBER_DIGITS).padStart(NUMBER_DIGITS, '0');
  return Buffer.concat([
    Buffer.of(NAL_SEI, USER_DATA, PAYLOAD_BYTES),
    UUID,
    Buffer.from(time + count, 'latin1'),
    Buffer.of(RBSP_STOP),
  ]);
}

/** A clock that was found, and where what follows it begins. */
export interface FoundClock extends PictureClock {
  readonly end: number;
}

/**
 * The first clock in bytes of any container, from `from` on; undefined when there is none. The unit must lie there in
 * one piece.
 */
export function findClock(bytes: Buffer, from = 0): FoundClock | undefined {
  const at = bytes.indexOf(UUID, from);
  const start = at + UUID.length;
  if (at < 0 || start + TIME_DIGITS + NUMBER_DIGITS > bytes.length) return undefined;
  const sentUs = Number(bytes.toString('latin1', start, start + TIME_DIGITS));
  const number = Number(bytes.toString('latin1', start + TIME_DIGITS, start + TIME_DIGITS + NUMBER_DIGITS));
  if (!Number.isSafeInteger(sentUs) || !Number.isSafeInteger(number)) return undefined;
  return { sentUs, number, end: start + TIME_DIGITS + NUMBER_DIGITS };
}

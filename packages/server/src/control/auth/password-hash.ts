import { randomBytes, randomInt, type ScryptOptions, scrypt, timingSafeEqual } from 'node:crypto';

/** Thrown when so many passwords are being checked that another one must wait. */
export class HashingBusyError extends Error {}

const LOG2_N = 15;
const BLOCK_SIZE = 8;
const PARALLEL = 1;
const SALT_BYTES = 16;
const HASH_BYTES = 32;
const MAX_WAITING = 32;
const FORMAT = /^scrypt\$ln=(\d{1,2}),r=(\d{1,2}),p=(\d{1,2})\$([A-Za-z0-9_-]{16,86})\$([A-Za-z0-9_-]{22,86})$/;

/** Characters that nobody confuses when reading them off a screen; 32 of them, 5 bits each. */
const ALPHABET = 'abcdefghijkmnpqrstuvwxyz23456789';

/**
 * The hash of a password, with its salt and its costs, in one text: scrypt with N = 2^15, which takes 32 MiB and some
 * 80 ms of one core; tests may want it cheaper.
 * @throws HashingBusyError
 */
export async function hashPassword(password: string, log2N = LOG2_N): Promise<string> {
  const salt = randomBytes(SALT_BYTES);
  const costs = { log2N, blockSize: BLOCK_SIZE, parallel: PARALLEL };
  const hash = await derive(password, salt, { ...costs, bytes: HASH_BYTES });
  return `scrypt$ln=${log2N},r=${BLOCK_SIZE},p=${PARALLEL}$${salt.toString('base64url')}$${hash.toString('base64url')}`;
}

/**
 * Whether a password has that hash. Takes as long for a wrong one as for the right one.
 * @throws HashingBusyError
 */
export async function verifyPassword(password: string, text: string): Promise<boolean> {
  const stored = parseHash(text);
  if (stored === undefined) return false;
  const hash = await derive(password, stored.salt, { ...stored, bytes: stored.hash.length });
  return timingSafeEqual(hash, stored.hash);
}

/** Whether a text is a hash of ours, of costs that this server is ready to pay. */
export function isPasswordHash(text: string): boolean {
  return parseHash(text) !== undefined;
}

export const MIN_PASSWORD_LENGTH = 8;
export const MAX_PASSWORD_LENGTH = 256;

/** Why nobody should have that password, in words that follow its name; undefined when it is all right. */
export function passwordFault(password: string): string | undefined {
  if (password.length < MIN_PASSWORD_LENGTH) return `has less than ${MIN_PASSWORD_LENGTH} characters`;
  if (password.length > MAX_PASSWORD_LENGTH) return `has more than ${MAX_PASSWORD_LENGTH} characters`;
  // biome-ignore lint/suspicious/noControlCharactersInRegex: HTTP Basic can't carry them (RFC 7617 §2).
  return /[\u0000-\u001f\u007f]/.test(password) ? 'has control characters' : undefined;
}

/** A password that can't be guessed (100 bits) and can be typed: `k7m2p-x9fqa-h3bnd-w8kzt`. */
export function randomPassword(): string {
  const group = (): string => Array.from({ length: 5 }, () => ALPHABET[randomInt(ALPHABET.length)]).join('');
  return [group(), group(), group(), group()].join('-');
}

interface StoredHash {
  readonly log2N: number;
  readonly blockSize: number;
  readonly parallel: number;
  readonly salt: Buffer;
  readonly hash: Buffer;
}

function parseHash(text: string): StoredHash | undefined {
  const match = FORMAT.exec(text);
  if (match === null) return undefined;
  const [log2N = 0, blockSize = 0, parallel = 0] = match.slice(1, 4).map(Number);
  if (log2N < 10 || log2N > 17 || blockSize < 1 || blockSize > 16 || parallel < 1 || parallel > 8) return undefined;
  const [salt = '', hash = ''] = match.slice(4);
  return { log2N, blockSize, parallel, salt: Buffer.from(salt, 'base64url'), hash: Buffer.from(hash, 'base64url') };
}

let running: Promise<unknown> = Promise.resolve();
let waiting = 0;

/**
 * One after the other, in the whole process: media shares the cores and libuv's threads, and a flood of logins must
 * not get at more than one of them, nor at more memory.
 */
function derive(
  password: string,
  salt: Buffer,
  { log2N, blockSize, parallel, bytes }: Omit<StoredHash, 'salt' | 'hash'> & { readonly bytes: number },
): Promise<Buffer> {
  if (waiting >= MAX_WAITING) return Promise.reject(new HashingBusyError('too many passwords are being checked'));
  waiting++;
  const options: ScryptOptions = {
    N: 2 ** log2N,
    r: blockSize,
    p: parallel,
    maxmem: 128 * blockSize * (2 ** log2N + parallel + 2) + 1024 * 1024,
  };
  const result = running.then(
    () =>
      new Promise<Buffer>((resolve, reject) => {
        scrypt(password.normalize('NFC'), salt, bytes, options, (error, key) => {
          waiting--;
          if (error === null) resolve(key);
          else reject(error);
        });
      }),
  );
  running = result.catch(() => {});
  return result;
}

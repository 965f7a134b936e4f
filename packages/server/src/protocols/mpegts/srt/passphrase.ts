import { MediaServerError } from '../../../core/index.ts';

const MIN_BYTES = 10;
const MAX_BYTES = 79;

/**
 * Undefined for none.
 * @throws MediaServerError CONFIG_INVALID for one that SRT can't use; the passphrase is not in its words
 */
export function checkedPassphrase(passphrase: string | undefined): string | undefined {
  if (passphrase === undefined || passphrase === '') return undefined;
  if (isUsable(passphrase)) return passphrase;
  throw new MediaServerError('CONFIG_INVALID', `a passphrase of SRT has ${MIN_BYTES} to ${MAX_BYTES} characters`);
}

/** True for a passphrase that the SRT library takes. */
export function isUsable(passphrase: string): boolean {
  const bytes = Buffer.byteLength(passphrase);
  return bytes >= MIN_BYTES && bytes <= MAX_BYTES && !passphrase.includes('\0');
}

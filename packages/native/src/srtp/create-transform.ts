import { CounterModeTransform } from './counter-mode.ts';
import { GcmTransform } from './gcm.ts';
import type { SrtpMasterKey, SrtpProfile } from './profile.ts';
import { deriveSessionKeys } from './session-keys.ts';
import type { SrtpTransform } from './transform.ts';

/**
 * The cipher of a profile with keys derived from that master key.
 * @throws RangeError when the key's lengths are not the profile's
 */
export function createTransform(profile: SrtpProfile, master: SrtpMasterKey): SrtpTransform {
  const keys = deriveSessionKeys(profile, master);
  return profile === 'AEAD_AES_128_GCM' ? new GcmTransform(keys) : new CounterModeTransform(keys);
}

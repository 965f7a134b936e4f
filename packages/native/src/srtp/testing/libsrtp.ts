import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { SrtpMasterKey, SrtpProfile } from '../profile.ts';

const AGENT = fileURLToPath(new URL('libsrtp-agent.py', import.meta.url));

/** Gives what libsrtp, the implementation of browsers, makes of each packet, in hex; `error:` for what it refuses. */
export function libsrtp(
  o: { readonly profile: string; readonly master: SrtpMasterKey; readonly direction: 'in' | 'out' },
  packets: readonly Buffer[],
): string[] {
  const key = Buffer.concat([o.master.key, o.master.salt]).toString('hex');
  const input = packets.map((packet) => `${packet.toString('hex')}\n`).join('');
  // Debian's own Python, because the library is Debian's.
  const run = spawnSync('/usr/bin/python3', [AGENT, o.profile, key, o.direction], {
    input,
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
    // A sanitizer that is loaded into us is none of its business.
    env: { ...process.env, LD_PRELOAD: '' },
  });
  if (run.status !== 0) throw new Error(`libsrtp did not run: ${run.stderr}`);
  return run.stdout.trimEnd().split('\n');
}

/** Opens what was sent under that key. */
export function openSealed(profile: SrtpProfile, master: SrtpMasterKey, packets: readonly Buffer[]): string[] {
  return libsrtp({ profile: profile === 'AEAD_AES_128_GCM' ? 'GCM' : 'CM', master, direction: 'in' }, packets);
}

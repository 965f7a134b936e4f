import { randomBytes } from 'node:crypto';
import { lstatSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { MediaServerError } from '../core/index.ts';
import type { TlsIdentity } from '../io/index.ts';
import type { IceServer, TurnOptions, TurnServer } from '../protocols/webrtc/index.ts';
import type { Settings } from './settings/index.ts';

/** The password that WCS prints in its documentation, and that applications written for it send. */
const PUBLISHED_PASSWORD = 'coM77EMrV7Cwhyan';
const SECRET_FILE = 'turn.secret';
const SECRET_BYTES = 32;

/**
 * The TURN server's options as the settings say; undefined when it is off. Makes the secret at the first start.
 *
 * @example
 * const options = webrtc && turnOptions(settings, { dataDir, host, identity, addresses: sources.webrtc.addresses });
 * const turn = options && new TurnServer({ ...hub, port: webrtc.mediaPort }, options);
 * new WhipMount('play', whipDeps, { ...whipOptions(settings), iceServers: turnIceServers(settings, turn) });
 * @throws MediaServerError CONFIG_INVALID when the file of the secret can't be read or written
 */
export function turnOptions(
  settings: Settings,
  place: {
    readonly dataDir: string;
    readonly host: string;
    readonly identity: TlsIdentity | undefined;
    /** What clients are told as the server's addresses. */
    readonly addresses?: readonly string[] | undefined;
  },
): TurnOptions | undefined {
  const { turn_port: port, turns_port: securePort } = settings;
  if (!settings.turn_enabled || (port === 0 && (securePort === 0 || place.identity === undefined))) return undefined;
  return {
    host: place.host,
    port,
    securePort,
    identity: place.identity,
    realm: settings.turn_realm,
    user:
      settings.turn_user === ''
        ? undefined
        : { name: settings.turn_user, password: settings.turn_password || PUBLISHED_PASSWORD },
    secret: settings.turn_secret || keptSecret(place.dataDir),
    credentialLifetimeS: settings.turn_credential_lifetime,
    maxAllocations: settings.turn_max_allocations,
    maxAllocationsPerAddress: settings.turn_max_allocations_per_address,
    addresses: place.addresses,
  };
}

/** The TURN server as WHIP and WHEP tell it to a client: at `ip`, or where the client found this server. */
export function turnIceServers(
  settings: Settings,
  turn: Pick<TurnServer, 'iceServers'> | undefined,
): (host: string) => readonly IceServer[] {
  return (host) => turn?.iceServers(settings.ip || host) ?? [];
}

/** The secret of this server: made once, and kept where only its user can read it. */
function keptSecret(dataDir: string): string {
  const file = join(dataDir, SECRET_FILE);
  try {
    return readSecret(file) ?? makeSecret(dataDir, file);
  } catch (cause) {
    throw new MediaServerError('CONFIG_INVALID', `can't use ${file}: set turn_secret, or make it readable`, { cause });
  }
}

/** Undefined when there is none, or an empty one. */
function readSecret(file: string): string | undefined {
  if (lstatSync(file, { throwIfNoEntry: false }) === undefined) return undefined;
  return readFileSync(file, 'utf8').trim() || undefined;
}

function makeSecret(dataDir: string, file: string): string {
  const secret = randomBytes(SECRET_BYTES).toString('base64url');
  mkdirSync(dataDir, { recursive: true });
  // A file that is there already would keep the mode that it has.
  rmSync(file, { force: true });
  writeFileSync(file, `${secret}\n`, { mode: 0o600, flag: 'wx' });
  return secret;
}

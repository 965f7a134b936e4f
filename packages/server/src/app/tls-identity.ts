import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { hostname } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { createSecureContext } from 'node:tls';
import { generate } from 'selfsigned';
import { type Log, MediaServerError } from '../core/index.ts';
import type { TlsIdentity } from '../io/index.ts';

export interface TlsIdentityOptions {
  /** PEM files; both empty for a certificate of our own making. Relative paths are under the data folder. */
  readonly certificateFile: string;
  readonly privateKeyFile: string;
  readonly dataDir: string;
  /** The name or address that clients use; empty when unknown. */
  readonly host: string;
  readonly log: Log;
}

const VALID_DAYS = 3650;

/**
 * The certificate of the TLS ports: the one of the settings, or one signed by itself that is made once and kept.
 * @throws MediaServerError CONFIG_INVALID when the files are missing or do not belong together
 */
export async function tlsIdentity(options: TlsIdentityOptions): Promise<TlsIdentity> {
  const { certificateFile, privateKeyFile, dataDir } = options;
  if ((certificateFile === '') !== (privateKeyFile === ''))
    throw new MediaServerError('CONFIG_INVALID', 'set both tls_certificate and tls_private_key, or none of them');
  if (certificateFile !== '') return load(resolve(dataDir, certificateFile), resolve(dataDir, privateKeyFile));
  const made = await keptIdentity(join(dataDir, 'tls'), options.host);
  if (made.isNew)
    options.log.info({ folder: 'tls' }, 'made a certificate, signed by itself: players must be told to trust it');
  return made.identity;
}

/**
 * A certificate signed by itself, with a key of the curve P-256, that is made once and kept in that folder.
 * @param name The name or address that clients use; empty when unknown.
 * @throws MediaServerError CONFIG_INVALID when what is kept there can't be used
 */
export async function keptIdentity(
  folder: string,
  name: string,
): Promise<{ readonly identity: TlsIdentity; readonly isNew: boolean }> {
  const cert = join(folder, 'certificate.pem');
  const key = join(folder, 'private-key.pem');
  const isNew = !existsSync(cert) || !existsSync(key);
  if (isNew) await make(cert, key, name === '' ? hostname() : name);
  return { identity: load(cert, key), isNew };
}

function load(certFile: string, keyFile: string): TlsIdentity {
  try {
    const identity = { cert: readFileSync(certFile, 'utf8'), key: readFileSync(keyFile, 'utf8') };
    createSecureContext(identity);
    return identity;
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new MediaServerError('CONFIG_INVALID', `can't use ${certFile} with ${keyFile} for TLS: ${why}`, {
      cause: error,
    });
  }
}

/** Type 7 is an address, type 2 a DNS name. */
function altName(name: string): { type: 7; ip: string } | { type: 2; value: string } {
  return isIP(name) === 0 ? { type: 2, value: name } : { type: 7, ip: name };
}

async function make(certFile: string, keyFile: string, name: string): Promise<void> {
  const pems = await generate([{ name: 'commonName', value: name }], {
    keyType: 'ec',
    algorithm: 'sha256',
    extensions: [
      { name: 'basicConstraints', cA: false },
      { name: 'keyUsage', digitalSignature: true, keyEncipherment: true },
      { name: 'extKeyUsage', serverAuth: true },
      { name: 'subjectAltName', altNames: ['localhost', '127.0.0.1', '::1', name].map(altName) },
    ],
    notAfterDate: new Date(Date.now() + VALID_DAYS * 86_400_000),
  });
  mkdirSync(dirname(certFile), { recursive: true });
  writeFileSync(keyFile, pems.private, { mode: 0o600 });
  writeFileSync(certFile, pems.cert);
}

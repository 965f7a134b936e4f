import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { Gatekeeper, type PrometheusCounters } from '../control/index.ts';
import { type Log, MediaServerError } from '../core/index.ts';
import type { Settings } from './settings/index.ts';

/**
 * The gatekeeper of the settings.
 * @throws MediaServerError CONFIG_INVALID for keys that can't be read or used
 */
export function makeGatekeeper(
  settings: Settings,
  deps: { readonly dataDir: string; readonly log: Log; readonly counters: PrometheusCounters },
): Gatekeeper {
  const options = {
    tokenRequired: settings.stream_token_required,
    tokenField: settings.client_acl_property_name,
    publishAllowedIps: settings.publish_allowed_ips,
    playAllowedIps: settings.play_allowed_ips,
    allowDomains: settings.allow_domains,
    tokens: {
      secret: settings.stream_token_secret,
      publicKeyPem: readKey(deps.dataDir, settings.stream_token_public_key),
      jwksUrl: settings.stream_token_jwks_url,
      issuer: settings.stream_token_issuer,
      audience: settings.stream_token_audience,
      clockToleranceSeconds: settings.stream_token_clock_tolerance,
    },
  };
  return new Gatekeeper(options, deps);
}

/** Relative paths are under the data folder, as for certificates. */
function readKey(dataDir: string, file: string): string {
  if (file === '') return '';
  try {
    return readFileSync(resolve(dataDir, file), 'utf8');
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new MediaServerError('CONFIG_INVALID', `can't read stream_token_public_key: ${why}`, { cause });
  }
}

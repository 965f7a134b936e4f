import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import {
  ApplicationStore,
  DEFAULT_HOOK_OPTIONS,
  type Gatekeeper,
  HookAccess,
  type HookAccessDeps,
  type HookOptions,
  hookDescription,
  keptNodeId,
  type PrometheusCounters,
} from '../control/index.ts';
import { type Log, MediaServerError, type RecentEndings, type StreamRegistry } from '../core/index.ts';
import type { OutboundGuard } from '../io/index.ts';
import { applicationsFile } from './applications-file.ts';
import { makeGatekeeper } from './gatekeeper.ts';
import type { Settings } from './settings/index.ts';
import { describeStream } from './stream-details.ts';

/** What access control needs of the server. */
export interface AccessParts {
  readonly settings: Settings;
  readonly dataDir: string;
  readonly streams: StreamRegistry;
  readonly endings: RecentEndings;
  readonly recorder: HookAccessDeps['recorder'];
  /** Says which back ends may be connected to. */
  readonly outbound: OutboundGuard;
  readonly log: Log;
  readonly counters: PrometheusCounters;
}

/** An answer that never comes is given up after this, whatever the settings say. */
const MAX_TIMEOUT_MS = 120_000;

/** Who decides who may do what. Closed after all clients have ended, in the order of these members. */
export interface AccessControls {
  readonly access: HookAccess;
  readonly applications: ApplicationStore;
  readonly gatekeeper: Gatekeeper;
}

/**
 * Makes the server's access control: stream tokens and lists of addresses, then the back ends of applications.
 * @throws MediaServerError CONFIG_INVALID
 */
export function makeAccess(parts: AccessParts): AccessControls {
  const { settings, dataDir, streams, endings, recorder, outbound, log, counters } = parts;
  const options = { ...hookOptions(settings), outbound };
  const gatekeeper = makeGatekeeper(settings, { dataDir, log, counters });
  const applications = new ApplicationStore({ file: applicationsFile(dataDir), log });
  applications.start();
  const access = new HookAccess({
    applications,
    gate: gatekeeper,
    endings,
    streams,
    recorder,
    describe: hookDescription(describeStream),
    nodeId: keptNodeId(join(dataDir, 'node-id'), settings.ip || firstAddress()),
    options,
    log,
    counters,
  });
  return { access, applications, gatekeeper };
}

function hookOptions(settings: Settings): HookOptions {
  if (settings.rest_hook_send_hash && settings.rest_hook_secret_key === '')
    throw new MediaServerError('CONFIG_INVALID', 'rest_hook_send_hash needs rest_hook_secret_key');
  return {
    ...DEFAULT_HOOK_OPTIONS,
    disabled: settings.disable_rest_requests,
    backEndRequired: settings.application_back_end_required,
    timeoutMs: settings.rest_request_timeout === 0 ? MAX_TIMEOUT_MS : settings.rest_request_timeout * 1000,
    maxConnections: settings.rest_max_connections,
    secretKey: settings.rest_hook_send_hash ? settings.rest_hook_secret_key : undefined,
    tlsVerify: settings.rest_hook_tls_verify,
    eventRetryMs: settings.rest_hook_event_retry_time * 1000,
    keepAlive: {
      enabled: settings.keep_alive_streaming_sessions_enabled,
      intervalMs: settings.streaming_sessions_keep_alive_interval,
      appKeys: new Set(settings.streaming_sessions_keep_alive_app_keys),
    },
    hlsAuth: {
      ...DEFAULT_HOOK_OPTIONS.hlsAuth,
      enabled: settings.hls_auth_enabled,
      cacheMs: settings.hls_auth_token_cache * 1000,
    },
    rtspAuth: settings.rtsp_server_auth_enabled,
  };
}

/** Names of clients' fields whose values are never told or logged, besides those that anybody would guess. */
export function secretFields({ client_acl_property_name: name }: Settings): ReadonlySet<string> {
  return new Set(name === '' ? [] : [name]);
}

/** The first address of this machine that others can reach. */
export function firstAddress(): string {
  const addresses = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
  return addresses.find(({ internal, family }) => !internal && family === 'IPv4')?.address ?? '127.0.0.1';
}

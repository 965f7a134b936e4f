import type { SettingEntry } from '../setting-entry.ts';
import { MINUTES_MS } from './units.ts';

/** Settings of REST hooks: the questions to back ends of applications (`sluice apps`), and what these are told. */
export const HOOK_SETTINGS = {
  disable_rest_requests: {
    type: 'boolean',
    default: false,
    from: 'wcs',
    doc: 'Sends no hooks to any back end; everything is allowed then.',
  },
  application_back_end_required: {
    type: 'boolean',
    default: false,
    from: 'own',
    doc: 'Refuses clients that name an application without a back end. Else everything is allowed to them, and clients choose what they name. Viewers of HLS are asked about with `hls_auth_enabled` alone.',
  },
  rest_request_timeout: {
    type: 'integer',
    unit: 's',
    min: 0,
    max: 600,
    default: 15,
    from: 'wcs',
    doc: 'How long a back end may take to answer a hook. 0: as long as it likes, but two minutes at most.',
  },
  rest_max_connections: {
    type: 'integer',
    min: 2,
    max: 10_000,
    default: 200,
    from: 'wcs',
    doc: 'Connections to all back ends together. Applications that have a back end get equal shares, two at the least.',
  },
  rest_hook_send_hash: {
    type: 'boolean',
    default: false,
    from: 'wcs',
    doc: 'Sends `Authorization: WCS <hash>` with each hook: the HMAC-MD5 of the body with `rest_hook_secret_key`, in hexadecimal. An application with its own `restUsername` sends that instead.',
  },
  rest_hook_secret_key: {
    type: 'string',
    default: '',
    secret: true,
    from: 'wcs',
    doc: 'Key of the hash that `rest_hook_send_hash` turns on.',
  },
  rest_hook_tls_verify: {
    type: 'boolean',
    default: true,
    from: 'own',
    doc: 'Refuses back ends with `https://` whose certificate can not be trusted. The environment variable `NODE_EXTRA_CA_CERTS` names a file with further authorities.',
  },
  rest_hook_event_retry_time: {
    type: 'integer',
    unit: 's',
    min: 0,
    max: 3600,
    default: 60,
    from: 'own',
    doc: 'An event that its back end did not take is sent again for so long, with growing pauses, and dropped then. 0: each event is sent once, as WCS does.',
  },
  keep_alive_streaming_sessions_enabled: {
    type: 'boolean',
    default: false,
    from: 'wcs',
    doc: 'Sends `StreamKeepAliveEvent` again and again for each stream that is published or played. The hook must also be added to the application: `sluice apps methods`.',
  },
  streaming_sessions_keep_alive_interval: {
    type: 'integer',
    unit: 'ms',
    min: 100,
    max: 60 * MINUTES_MS,
    default: 10_000,
    from: 'wcs',
    doc: 'Time between two keep-alives of one stream.',
  },
  streaming_sessions_keep_alive_app_keys: {
    type: 'list',
    default: ['defaultApp'],
    from: 'wcs',
    doc: 'Keys of the applications whose streams are kept alive.',
  },
  hls_auth_enabled: {
    type: 'boolean',
    default: false,
    from: 'wcs',
    doc: 'Asks the back end (`playHLS`) before a viewer of HLS gets anything. A back end that can not be asked, or none at all, refuses.',
  },
  hls_auth_token_cache: {
    type: 'integer',
    unit: 's',
    min: 0,
    max: 86_400,
    default: 30,
    from: 'wcs',
    doc: 'How long the permission of a viewer of HLS counts before the back end is asked again.',
  },
} as const satisfies Record<string, SettingEntry>;

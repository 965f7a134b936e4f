import type { SettingEntry } from '../setting-entry.ts';

/** Settings of the web port: console, REST API, statistics. */
export const WEB_SETTINGS = {
  'http.port': {
    type: 'port',
    default: 8081,
    from: 'wcs',
    doc: 'Port of the console, the REST API, health and metrics.',
  },
  'https.port': {
    type: 'port',
    default: 8444,
    from: 'wcs',
    doc: 'The same as `http.port` with TLS. Browsers let a page use camera and microphone only from `https://` or `localhost`.',
  },
  http_max_connections: {
    type: 'integer',
    min: 10,
    max: 1_000_000,
    default: 20_000,
    from: 'own',
    doc: 'Most connections that are open at once at `http.port`, and as many at `https.port`; HTTP-FLV viewers are among them. Further ones are closed.',
  },
  disable_rest_auth: {
    type: 'enum',
    values: ['auto', 'true', 'false'],
    default: 'auto',
    from: 'wcs',
    doc: 'Who needs a password for the REST API, statistics, metrics and the data of the console. `auto`: all but programs on this machine. `false`: everybody. `true`: nobody, which is the default of WCS.',
  },
  rest_access_control_allow_origin: {
    type: 'string',
    default: '*',
    from: 'wcs',
    doc: 'Value of `Access-Control-Allow-Origin` in REST responses.',
  },
  rest_access_control_allow_headers: {
    type: 'string',
    default: 'content-type,x-requested-with',
    from: 'wcs',
    doc: 'Value of `Access-Control-Allow-Headers` in REST responses.',
  },
  rest_access_control_allow_methods: {
    type: 'string',
    default: 'POST',
    from: 'wcs',
    doc: 'Value of `Access-Control-Allow-Methods` in REST responses.',
  },
  rest_access_control_headers: {
    type: 'string',
    format: 'headers',
    default: '',
    from: 'wcs',
    doc: 'Further headers added to REST responses: `Name: value`, separated by `;`.',
  },
  rest_terminate_all_enabled: {
    type: 'boolean',
    default: false,
    from: 'own',
    doc: 'Let `/rest-api/stream/terminate` without any field end all streams, as some builds of WCS do. Off: it is refused with 400.',
  },
  jobs_max_prefer_wait_time: {
    type: 'integer',
    unit: 's',
    min: 0,
    max: 60,
    default: 5,
    from: 'wcs',
    doc: 'How long a request to `/rest-api/v3` is held until it is answered with 202 and goes on as a job. Clients may ask for less.',
  },
  jobs_max_prefer_timeout: {
    type: 'integer',
    unit: 's',
    min: 1,
    max: 3600,
    default: 60,
    from: 'wcs',
    doc: 'How long a job of `/rest-api/v3` may run before it is cancelled. Clients may ask for less.',
  },
} as const satisfies Record<string, SettingEntry>;

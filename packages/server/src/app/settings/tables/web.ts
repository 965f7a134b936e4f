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
} as const satisfies Record<string, SettingEntry>;

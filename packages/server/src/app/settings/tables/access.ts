import type { SettingEntry } from '../setting-entry.ts';

/** Settings of who may do what: stream tokens, addresses, web pages, the first user. */
export const ACCESS_SETTINGS = {
  stream_token_required: {
    type: 'enum',
    values: ['off', 'publish', 'play', 'both'],
    default: 'off',
    from: 'own',
    doc: 'What needs a stream token, a JSON Web Token (JWT) that names stream and role. What needs none is not looked at for one.',
  },
  stream_token_secret: {
    type: 'string',
    default: '',
    from: 'own',
    secret: true,
    doc: 'Secret of stream tokens that are signed by HS256, at least 32 bytes. `sluice token` makes tokens with it.',
  },
  stream_token_public_key: {
    type: 'string',
    format: 'file',
    default: '',
    from: 'own',
    doc: 'PEM file with the public key of stream tokens that are signed by RS256, ES256 or EdDSA.',
  },
  stream_token_jwks_url: {
    type: 'string',
    format: 'httpUrl',
    default: '',
    from: 'own',
    doc: 'URL of the public keys (JWKS) of stream tokens that are signed by RS256, ES256 or EdDSA.',
  },
  stream_token_issuer: {
    type: 'string',
    default: '',
    from: 'own',
    doc: 'What the claim `iss` of stream tokens must be. Empty: not looked at.',
  },
  stream_token_audience: {
    type: 'string',
    default: '',
    from: 'own',
    doc: 'What the claim `aud` of stream tokens must be or have. Empty: tokens need none.',
  },
  stream_token_clock_tolerance: {
    type: 'integer',
    unit: 's',
    min: 0,
    max: 300,
    default: 5,
    from: 'own',
    doc: 'How far the clock of who makes stream tokens may be off.',
  },
  client_acl_property_name: {
    type: 'string',
    default: '',
    from: 'wcs',
    doc: 'Name of the parameter or custom field that has the stream token, such as `aclAuth`. Empty: `token`, which is understood in any case.',
  },
  publish_allowed_ips: {
    type: 'list',
    format: 'network',
    default: [],
    from: 'own',
    doc: 'Addresses and networks that may publish. Empty: all.',
  },
  play_allowed_ips: {
    type: 'list',
    format: 'network',
    default: [],
    from: 'own',
    doc: 'Addresses and networks that may play. Empty: all.',
  },
  allow_domains: {
    type: 'list',
    default: [],
    from: 'wcs',
    doc: 'Hosts whose web pages may publish and play, as masks such as `*.example.com`; the first that fits counts, `!` before it forbids. Empty: all. Clients that are no browsers are not concerned.',
  },
  admin_password: {
    type: 'string',
    default: '',
    from: 'own',
    secret: true,
    doc: 'Password of the user `admin`, who is made at the first start. Empty: one is made and printed. Later starts do not look at it; `sluice users passwd admin` changes it.',
  },
} as const satisfies Record<string, SettingEntry>;

import type { LoadedSettings } from './load.ts';
import { formatProperty } from './properties.ts';
import { ALIASES, environmentName, SETTING_NAMES, type SettingName, settingEntry } from './schema.ts';
import type { SettingEntry, SettingValue } from './setting-entry.ts';
import { describeAllowed, formatValue } from './value.ts';

const GROUPS: readonly { title: string; has: (name: SettingName) => boolean }[] = [
  {
    title: 'Streams to and from other servers',
    has: (name) =>
      /^(relay_|pull_by_name|rtmp_(transponder|push|flash_ver_publisher)|outbound_(?!video)|wcs_agent)/.test(name),
  },
  { title: 'RTMP', has: (name) => /^(rtmp|h264_sps)/.test(name) },
  { title: 'RTSP', has: (name) => /^(rtsps?[._]|h264_check)/.test(name) },
  { title: 'MPEG-TS and SRT', has: (name) => /^(mpegts|srt)/.test(name) },
  {
    title: 'WebRTC',
    has: (name) =>
      /^(webrtc|media_port|rtp_(receive|send)|periodic_fir|rtcp_|jitter|use_strict|codecs|profiles|whip|whep)/.test(
        name,
      ),
  },
  { title: 'Web SDK', has: (name) => /^(wss?[._]|(in|out)bound_video_rate)/.test(name) },
  {
    title: 'Conversion',
    has: (name) => /^(transcod|video_transcoder|opus\.|aac_)/.test(name),
  },
  { title: 'Publishers that fall silent', has: (name) => name.startsWith('rtp_activity') },
  { title: 'HTTP-FLV and WebSocket-FLV', has: (name) => name.startsWith('flv') },
  {
    title: 'Hooks',
    has: (name) =>
      /^(application_|rest_(hook|request|max_conn)|disable_rest_requests|hls_auth|(keep_alive_)?streaming_sessions|keep_alive_streaming)/.test(
        name,
      ),
  },
  {
    title: 'Recording',
    has: (name) =>
      !name.startsWith('record_s3') &&
      /^(record_|stream_record|encode_record|exclude_record|on_|file_recorder|mp4_)/.test(name),
  },
  { title: 'Files in S3', has: (name) => /^(aws_|record_s3)/.test(name) },
  { title: 'Playing files', has: (name) => name.startsWith('vod_') || name === 'media_dir' },
  { title: 'Pictures', has: (name) => name.startsWith('snapshot_') },
  {
    title: 'Qualities made by the server',
    has: (name) =>
      /^(hls_abr|h264_b_frames|wcs_sfu|transcoder_max|encoder_priority|video_encoder|video_transcoder)/.test(name),
  },
  { title: 'Playing over WebSockets (MSE)', has: (name) => /^(mse_|wsplayer)/.test(name) },
  { title: 'HLS and DASH', has: (name) => /^(hls|ll_hls|dash)/.test(name) },
  {
    title: 'Access',
    has: (name) =>
      /^(stream_token|client_acl|publish_allowed|play_allowed|allow_domains|admin_|disable_rest_auth)/.test(name),
  },
  { title: 'REST', has: (name) => name.startsWith('rest_') },
  { title: 'TLS', has: (name) => name.startsWith('tls') },
  { title: 'Keep-alive', has: (name) => name.startsWith('keep_alive') },
  { title: 'Streams', has: (name) => ['max_streams', 'publisher_reconnect_wait'].includes(name) },
  { title: 'Cache', has: (name) => name.startsWith('gop_cache') },
  { title: 'Server', has: () => true },
];

/** Heading of the reference page that a setting stands under. */
export function groupOf(name: SettingName): string {
  return GROUPS.find(({ has }) => has(name))?.title ?? '';
}

/** All settings in force, in the form of a settings file; where a value is not the default, a comment says whence. */
export function renderSettings({ settings, origins }: LoadedSettings): string {
  const lines: string[] = [];
  for (const name of SETTING_NAMES) {
    const origin = origins.get(name) ?? 'default';
    if (origin !== 'default') lines.push(`# from ${origin}`);
    lines.push(formatProperty(name, formatValue(settingEntry(name), settings[name])));
  }
  return `${lines.join('\n')}\n`;
}

/** The reference page of all settings, in Markdown, from the schema alone. */
export function renderSettingsReference(): string {
  const lines = [
    '# Settings',
    '',
    '<!-- Made by `npm run docs:settings` from the settings schema. Do not edit. -->',
    '',
    'Settings come from, later ones over earlier ones:',
    '',
    '1. the defaults below,',
    '2. the settings file, `sluice.properties` in the data folder or the one named by `--config`,',
    '3. environment variables: `SLUICE_` and the name in capitals with dots as underscores,',
    '4. `--set name=value` on the command line.',
    '',
    'Names marked WCS are those of Flashphoner WCS and mean the same, so its `flashphoner.properties` can be used as it',
    'is. A name that is not supported gives a warning; a value that is not allowed stops the start with one line that',
    'names file, line, value and what is allowed.',
  ];
  const left = new Set(SETTING_NAMES);
  for (const { title, has } of GROUPS) {
    const names = [...left].filter(has);
    for (const name of names) left.delete(name);
    lines.push('', `## ${title}`, '', '| Setting | Default | Allowed | Meaning |', '|---|---|---|---|');
    for (const name of names) lines.push(referenceRow(name));
  }
  lines.push('', '## Other spellings', '', '| Written | Means |', '|---|---|');
  for (const [alias, name] of Object.entries(ALIASES)) lines.push(`| \`${alias}\` | \`${name}\` |`);
  lines.push('', `As an environment variable, \`rtmp.port\` is \`${environmentName('rtmp.port')}\`.`, '');
  return lines.join('\n');
}

function referenceRow(name: SettingName): string {
  const entry = settingEntry(name);
  const origin = entry.from === 'wcs' ? ' (WCS)' : '';
  const cells = [`\`${name}\`${origin}`, defaultCell(entry), describeAllowed(entry), entry.doc];
  return `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
}

function defaultCell(entry: SettingEntry): string {
  const value: SettingValue = entry.default;
  const text = formatValue(entry, value);
  if (text === '') return 'empty';
  return `\`${text}\`${entry.unit === undefined ? '' : ` ${entry.unit}`}`;
}

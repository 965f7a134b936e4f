import Type, { type Static } from 'typebox';

/** One setting as it is in force. */
export const SettingRow = Type.Object({
  name: Type.String(),
  /** Heading that it stands under in the reference page. */
  group: Type.String(),
  /** As it would stand in a settings file; secrets are blotted out. */
  value: Type.String(),
  default: Type.String(),
  /** `default`, `<file>:<line>`, the name of an environment variable, or `--set`. */
  origin: Type.String(),
  /** The same as a kind. */
  from: Type.Union([
    Type.Literal('default'),
    Type.Literal('file'),
    Type.Literal('environment'),
    Type.Literal('command line'),
  ]),
  /** Empty when it has none. */
  unit: Type.String(),
  /** Says in words which values it can have. */
  allowed: Type.String(),
  doc: Type.String(),
});

export type SettingRow = Static<typeof SettingRow>;

/** Body of `GET /api/settings`. Our own, not part of the WCS API. */
export const SettingsBody = Type.Object({
  /** The settings file that was read; empty when there is none. */
  file: Type.String(),
  /** What was passed over when the settings were read, one line each. */
  warnings: Type.Array(Type.String()),
  settings: Type.Array(SettingRow),
});

export type SettingsBody = Static<typeof SettingsBody>;

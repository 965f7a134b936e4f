/**
 * What a text must look like. `file`: a path, or nothing. `regexp`: a regular expression, or nothing. `rtmpUrl`: an
 * `rtmp://` or `rtmps://` URL, or nothing. `activity`: `true` or `false`, with a number of seconds after a comma. `httpUrl`: an
 * `http://` or `https://` URL, or nothing.
 */
export type StringFormat = 'headers' | 'ip' | 'host' | 'path' | 'file' | 'regexp' | 'rtmpUrl' | 'activity' | 'httpUrl';

/** A value that a setting can have. */
export type SettingValue = number | boolean | string | readonly string[];

/** What one setting is: its type decides how its text is read and what TypeScript type it has. */
export type SettingEntry = {
  /** What the setting does, in one or two sentences; goes into the reference page as it is. */
  readonly doc: string;
  /** `wcs`: the name and meaning are WCS's own. `own`: WCS has no such setting. */
  readonly from: 'wcs' | 'own';
  readonly unit?: string;
  /** Secret values are never printed or put into messages. */
  readonly secret?: boolean;
} & (
  | { readonly type: 'integer' | 'number'; readonly default: number; readonly min: number; readonly max: number }
  | { readonly type: 'port'; readonly default: number }
  | { readonly type: 'boolean'; readonly default: boolean }
  | { readonly type: 'string'; readonly default: string; readonly format?: StringFormat }
  | { readonly type: 'enum'; readonly default: string; readonly values: readonly string[] }
  | {
      readonly type: 'list';
      readonly default: readonly string[];
      readonly values?: readonly string[];
      readonly format?: 'address' | 'network';
    }
);

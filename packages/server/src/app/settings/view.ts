import type { SettingRow, SettingsBody } from '@sluice/contract';
import type { LoadedSettings } from './load.ts';
import { groupOf } from './render.ts';
import { SETTING_NAMES, settingEntry } from './schema.ts';
import { describeAllowed, formatValue } from './value.ts';

/** Settings in force with the place that each comes from, for people to look at; secrets are blotted out. */
export function viewSettings({ settings, origins, warnings }: LoadedSettings, file: string | undefined): SettingsBody {
  return {
    file: file ?? '',
    warnings: [...warnings],
    settings: SETTING_NAMES.map((name): SettingRow => {
      const entry = settingEntry(name);
      const origin = origins.get(name) ?? 'default';
      return {
        name,
        group: groupOf(name),
        value: withoutCredentials(formatValue(entry, settings[name])),
        default: formatValue(entry, entry.default),
        origin,
        from: kindOf(origin),
        unit: entry.unit ?? '',
        allowed: describeAllowed(entry),
        doc: entry.doc,
      };
    }),
  };
}

function kindOf(origin: string): SettingRow['from'] {
  if (origin === 'default') return 'default';
  if (origin === '--set') return 'command line';
  return /:\d+$/.test(origin) ? 'file' : 'environment';
}

/** URLs may have a user and a password in them. */
function withoutCredentials(value: string): string {
  return value.replaceAll(/(\w:\/\/)[^/@\s]+@/g, '$1******@');
}

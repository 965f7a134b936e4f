export { closestName } from './closest-name.ts';
export { type LoadedSettings, type LoadOptions, loadSettings } from './load.ts';
export { renderSettings, renderSettingsReference } from './render.ts';
export { SCHEMA, type SettingName, type Settings } from './schema.ts';
export { SettingsError } from './settings-error.ts';
export { parseActivity, parseAddress, parseHeaderList } from './value.ts';
export { viewSettings } from './view.ts';

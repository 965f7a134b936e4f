export { type LoadedProfiles, loadProfiles } from './load-profiles.ts';
export { type AudioProfile, DEFAULT_PROFILES, type RenditionProfile, type VideoProfile } from './profile.ts';
export type { QualityChoices } from './quality.ts';
export { type ReadProfiles, readProfiles } from './read-profiles.ts';
export {
  DEFAULT_RENDITIONS_OPTIONS,
  type RenditionsDeps,
  type RenditionsOptions,
  StreamRenditions,
} from './stream-renditions.ts';

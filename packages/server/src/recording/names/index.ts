export {
  encodedName,
  fitBytes,
  MAX_COMPONENT_BYTES,
  type NameEncoding,
  numberedName,
  safeComponent,
  wellFormed,
} from '../../io/index.ts';
export * from './template.ts';

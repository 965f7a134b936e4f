export type { AmfObject, AmfValue } from './amf-value.ts';
export { decodeAmf0, encodeAmf0, encodeEcmaArray } from './amf0.ts';

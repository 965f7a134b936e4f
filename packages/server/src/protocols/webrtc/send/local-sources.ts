import { randomBytes, randomInt } from 'node:crypto';
import type { LocalSources } from '../wire/offer-answer/index.ts';

/** Bytes of names that need only differ. */
const NAME_BYTES = 6;
const MAX_U32 = 0xffff_ffff;

/** A name that no other has, for `cname`. */
export function newCname(): string {
  return randomBytes(NAME_BYTES).toString('base64url');
}

/** A source that no other has. */
export function newSsrc(): number {
  return randomInt(1, MAX_U32);
}

/** Sources for the kinds of media that are sent. */
export function newSources(kinds: { readonly video: boolean; readonly audio: boolean }): LocalSources {
  const name = () => randomBytes(NAME_BYTES).toString('hex');
  const source = () => ({ trackId: name(), ssrc: newSsrc(), rtxSsrc: newSsrc() });
  return {
    streamId: name(),
    cname: newCname(),
    video: kinds.video ? source() : undefined,
    audio: kinds.audio ? source() : undefined,
  };
}

export { codecsFromNames } from './codec-names.ts';
export { isRtpCodecName, offeredCodecs } from './codecs.ts';
export { negotiate, parseOffer } from './negotiate.ts';
export type * from './negotiated.ts';
export type * from './policy.ts';
export { type AnsweredMedia, readAnswer } from './read-answer.ts';
export { type LocalDescription, type LocalSource, type LocalSources, writeAnswer } from './write-answer.ts';
export { type FormatToOffer, type LocalOffer, type OfferToMake, writeOffer } from './write-offer.ts';

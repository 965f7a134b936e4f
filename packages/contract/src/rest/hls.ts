import Type, { type Static } from 'typebox';
import { name } from './fields.ts';

/** Body of `/hls/startup` and `/hls/terminate` (rest-api.md §10). */
export const HlsReference = Type.Object({ name: name('name of the stream') });

export type HlsReference = Static<typeof HlsReference>;

/** Answer of `/hls/find_all`. */
export const HlsNames = Type.Array(Type.String());

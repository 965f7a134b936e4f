import { HlsNames, HlsReference } from '@sluice/contract';
import Type from 'typebox';
import type { StreamPackaging } from '../../core/index.ts';
import type { ControlDeps } from '../control-deps.ts';
import { RestError } from './rest-error.ts';
import { restMethod } from './rest-method.ts';

const OFF = 'HLS is switched off (hls.port=0)';
const NOT_CUT = 'that stream is not being cut for HLS';

/** `/hls` (rest-api.md §10). */
export const HLS_METHODS = [
  restMethod({
    path: '/hls/startup',
    summary: 'Begins to cut a stream for HLS before the first viewer asks for it.',
    details: 'Without viewers it stops after `hls_manager_provider_timeout`.',
    request: HlsReference,
    answer: undefined,
    errors: { 404: 'no stream has that name', 501: OFF },
    example: { name: 'demo' },
    run: async ({ deps, body }) => {
      if (!(await packagingOf(deps).start(body.name))) throw new RestError(404, `no stream "${body.name}" is live`);
    },
  }),
  restMethod({
    path: '/hls/find_all',
    summary: 'Lists the names of the streams that are being cut for HLS, whoever began it.',
    request: Type.Object({}),
    answer: HlsNames,
    errors: { 404: 'there are none', 501: OFF },
    run: ({ deps }) => {
      const names = [...packagingOf(deps).names()];
      if (names.length === 0) throw new RestError(404, 'no stream is being cut for HLS');
      return names;
    },
  }),
  restMethod({
    path: '/hls/terminate',
    summary: 'Stops to cut a stream for HLS.',
    details: 'With viewers present it begins anew at once.',
    request: HlsReference,
    answer: undefined,
    errors: { 404: NOT_CUT, 501: OFF },
    example: { name: 'demo' },
    run: ({ deps, body }) => {
      if (!packagingOf(deps).stop(body.name)) throw new RestError(404, NOT_CUT);
    },
  }),
];

function packagingOf({ hls }: Pick<ControlDeps, 'hls'>): StreamPackaging {
  if (hls === undefined) throw new RestError(501, OFF);
  return hls;
}

import { ExplainAnswer, ExplainRequest } from '@sluice/contract';
import { RestError } from '../rest/rest-error.ts';
import { restMethod } from '../rest/rest-method.ts';
import { explain } from './explain.ts';

/** `/stream/explain`: our own, not part of the API of WCS. */
export const EXPLAIN_METHODS = [
  restMethod({
    path: '/stream/explain',
    summary: 'Says why there is, or is not, picture and sound in a stream or a session.',
    details:
      'Read `verdict` first: plain sentences, the most important first, each with what to do. The rest is what they were ' +
      'drawn from. Sessions that failed a moment ago can be asked for too. Not part of the API of WCS.',
    request: ExplainRequest,
    answer: ExplainAnswer,
    errors: { 404: 'nothing is known of that name or session; `message` has names that are alike' },
    example: { name: 'demo' },
    run: ({ deps, body }) => {
      const explained = explain(deps, body);
      if ('answer' in explained) return explained.answer;
      throw new RestError(explained.problem === 'not found' ? 404 : 400, explained.message);
    },
  }),
];

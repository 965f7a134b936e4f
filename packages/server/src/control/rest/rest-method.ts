import type Type from 'typebox';
import type { ControlDeps } from '../control-deps.ts';
import type { ControlOptions } from '../control-options.ts';
import type { Jobs } from './jobs.ts';

/** What a method works with. */
export interface RestContext {
  readonly deps: ControlDeps;
  readonly options: ControlOptions;
  readonly jobs: Jobs;
}

/** One call of a method. */
export interface RestCall<Body> extends RestContext {
  /** The request's body, as its schema says: texts have become numbers and booleans, fields that were null are absent. */
  readonly body: Body;
  /** Aborted when nobody waits for the answer any more. */
  readonly signal: AbortSignal;
}

/** Status codes of errors, with what they mean for the method. */
export type RestErrors = Readonly<Partial<Record<400 | 403 | 404 | 409 | 500 | 501 | 503, string>>>;

/**
 * One method of the REST API. Everything that is known of it follows from this entry: its routes under `/rest-api` and
 * `/rest-api/v3`, the reading and checking of its body, the writing of its answer, the OpenAPI document and the
 * reference page. To add a method, write an entry with `restMethod` and put it into `rest-methods.ts`.
 */
export interface RestMethod<
  Request extends Type.TObject = Type.TObject,
  Answer extends Type.TSchema | undefined = Type.TSchema | undefined,
> {
  /** After `/rest-api`, such as `/stream/find`. */
  readonly path: `/${string}`;
  /** What it does, in a sentence. */
  readonly summary: string;
  /** Further sentences for the reference. */
  readonly details?: string;
  /** The body; what is not in it is ignored. */
  readonly request: Request;
  /** The answer with 200; undefined for an empty body. Fields that it lacks are not sent. */
  readonly answer: Answer;
  /** Errors besides 400 for fields of a wrong type. */
  readonly errors: RestErrors;
  /** A body for the reference. */
  readonly example?: Readonly<Record<string, unknown>>;
  /**
   * True for what has no required fields and yet must not happen by GET: pages of others can have a browser send that
   * without a word of where it comes from.
   */
  readonly needsPost?: boolean;
  /** True for what exists under `/rest-api/v3` alone and is not run as a job. */
  readonly onlyV3?: boolean;
  /**
   * Gives what is answered with 200; undefined for an empty body.
   * @throws RestError or MediaServerError
   */
  run(call: RestCall<Type.Static<Request>>): AnswerOf<Answer> | Promise<AnswerOf<Answer>>;
}

/** What a method without an answer gives is not looked at. */
type AnswerOf<Answer> = Answer extends Type.TSchema ? Type.Static<Answer> | undefined : unknown;

/** Checks the types of an entry: the body that `run` gets and the answer that it gives follow from the schemas. */
export function restMethod<Request extends Type.TObject, Answer extends Type.TSchema | undefined>(
  method: RestMethod<Request, Answer>,
): RestMethod {
  return method as unknown as RestMethod;
}

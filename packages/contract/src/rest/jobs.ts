import Type, { type Static } from 'typebox';
import { name, text } from './fields.ts';

/** Where a job is in its life; the last three are final. */
export const JobStatus = Type.Enum(['PENDING', 'RUNNING', 'DONE', 'FAILED', 'CANCELLED']);

export type JobStatus = Static<typeof JobStatus>;

/** A method of `/rest-api/v3` that goes on after it was answered with 202 (rest-api.md §20). */
export const JobObject = Type.Object({
  id: Type.String({ description: 'for `/v3/jobs/find`' }),
  status: JobStatus,
  method: Type.String({ description: 'path of the method, without `/rest-api/v3`' }),
  createDate: Type.Integer({ description: 'milliseconds since 1970' }),
  result: Type.Optional(
    Type.Unknown({ description: 'what the method answers; absent until it is done, and when it answers nothing' }),
  ),
  error: Type.Optional(Type.String({ description: 'why it failed' })),
  errorStatus: Type.Optional(Type.Integer({ description: 'the HTTP status that the method would have answered' })),
});

export type JobObject = Static<typeof JobObject>;

/** Body of a 202. */
export const JobAccepted = Type.Object({ id: Type.String({ description: 'for `/v3/jobs/find`' }) });

export type JobAccepted = Static<typeof JobAccepted>;

/** Body of `/v3/jobs/find`. */
export const JobFilter = Type.Object({
  id: Type.Optional(text('the job')),
  jobId: Type.Optional(text('the same')),
  status: Type.Optional(text('`PENDING`, `RUNNING`, `DONE`, `FAILED` or `CANCELLED`')),
});

export type JobFilter = Static<typeof JobFilter>;

/** Body of `/v3/jobs/cancel`. */
export const JobReference = Type.Object({
  id: Type.Optional(name('the job')),
  jobId: Type.Optional(name('the same')),
});

export type JobReference = Static<typeof JobReference>;

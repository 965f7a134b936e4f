import Type, { type Static } from 'typebox';
import { name, text } from './fields.ts';

/** Where a job is in its life; the last three are final. */
export const JobStatus = Type.Enum(['PENDING', 'RUNNING', 'DONE', 'FAILED', 'CANCELLED']);

export type JobStatus = Static<typeof JobStatus>;

/** A method of `/rest-api/v3` that goes on after it was answered with 202 (rest-api.md §20). */
export const JobObject = Type.Object({
  id: Type.String(),
  status: JobStatus,
  /** Path of the method, without `/rest-api/v3`. */
  method: Type.String(),
  /** Milliseconds since 1970. */
  createDate: Type.Integer(),
  /** What the method answers; absent until it is done, and when it answers nothing. */
  result: Type.Optional(Type.Unknown()),
  /** Why it failed. */
  error: Type.Optional(Type.String()),
  /** The HTTP status that the method would have been answered with. */
  errorStatus: Type.Optional(Type.Integer()),
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

import { JobFilter, JobObject, JobReference } from '@sluice/contract';
import Type from 'typebox';
import { publicError } from '../error-body.ts';
import type { Job, Jobs } from './jobs.ts';
import { RestError } from './rest-error.ts';
import { restMethod } from './rest-method.ts';

const NONE = 'no such job: it never was, or has been over for too long';

function listed(jobs: readonly Job[]): JobObject[] {
  if (jobs.length === 0) throw new RestError(404, NONE);
  return jobs.map((job) => job.describe(publicError));
}

function cancel(jobs: Jobs, { id, jobId }: JobReference): void {
  const wanted = id ?? jobId;
  if (wanted === undefined) throw new RestError(400, 'id is missing');
  const job = jobs.get(wanted);
  if (job === undefined) throw new RestError(404, NONE);
  if (!job.cancel('by request')) throw new RestError(409, 'the job is over already');
}

const CANCELLING = {
  request: JobReference,
  answer: undefined,
  errors: { 404: NONE, 409: 'the job is over already' },
  onlyV3: true,
  example: { id: '2f1d9d9e-8f0c-4c0b-9d44-6f2f8d2f4c11' },
  run: ({ jobs, body }: { readonly jobs: Jobs; readonly body: JobReference }) => cancel(jobs, body),
} as const;

/** `/v3/jobs` (rest-api.md §20). */
export const JOB_METHODS = [
  restMethod({
    path: '/jobs/find_all',
    summary: 'Lists the jobs that were answered with 202.',
    request: Type.Object({}),
    answer: Type.Array(JobObject),
    errors: { 404: 'there are none' },
    onlyV3: true,
    run: ({ jobs }) => listed(jobs.all()),
  }),
  restMethod({
    path: '/jobs/find',
    summary: 'Finds jobs, with what became of them.',
    details: 'A finished job can be asked for for five minutes.',
    request: JobFilter,
    answer: Type.Array(JobObject),
    errors: { 404: NONE },
    onlyV3: true,
    example: { id: '2f1d9d9e-8f0c-4c0b-9d44-6f2f8d2f4c11' },
    run: ({ jobs, body }) => {
      const id = body.id ?? body.jobId;
      const fits = (job: Job): boolean =>
        (id === undefined || job.id === id) && (body.status === undefined || job.status === body.status);
      return listed(jobs.all().filter(fits));
    },
  }),
  restMethod({ path: '/jobs/cancel', summary: 'Cancels a job.', ...CANCELLING }),
  restMethod({ path: '/jobs/terminate', summary: 'The same as `/jobs/cancel`.', ...CANCELLING }),
];

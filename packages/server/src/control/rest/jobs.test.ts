import type { JobObject } from '@sluice/contract';
import Fastify, { type FastifyInstance } from 'fastify';
import Type from 'typebox';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { DEFAULT_CONTROL_OPTIONS } from '../control-options.ts';
import { errorBody, publicError } from '../error-body.ts';
import { ControlFixture } from '../testing/control-fixture.ts';
import { JOB_METHODS } from './job-methods.ts';
import { Jobs } from './jobs.ts';
import { RestError } from './rest-error.ts';
import { restMethod } from './rest-method.ts';
import { restRoutes } from './rest-routes.ts';

/** A method that ends when the test says so. */
let finish: (result: { n: number } | Error) => void;
let signals: AbortSignal[];
const SLOW = restMethod({
  path: '/test/slow',
  summary: 'Waits for the test.',
  request: Type.Object({}),
  answer: Type.Object({ n: Type.Integer() }),
  errors: { 404: 'the test says so' },
  run: ({ signal }) => {
    signals.push(signal);
    return new Promise((resolve, reject) => {
      finish = (result) => (result instanceof Error ? reject(result) : resolve(result));
    });
  },
});

let app: FastifyInstance;
let fixture: ControlFixture;

async function start(jobs = { maxWaitMs: 5000, maxTimeoutMs: 60_000 }): Promise<void> {
  fixture = new ControlFixture();
  app = Fastify();
  app.setErrorHandler((error, request, reply) => {
    const { status, message } = publicError(error);
    return reply.code(status).send(errorBody(status, message, request.url));
  });
  const options = { ...DEFAULT_CONTROL_OPTIONS, jobs, checkAnswers: true };
  const parts = { deps: fixture.deps(), options, cors: new Map<string, string>(), methods: [SLOW, ...JOB_METHODS] };
  await app.register((scope) => restRoutes(scope, parts), { prefix: '/rest-api' });
}

beforeEach(() => {
  signals = [];
  return start();
});

afterEach(async () => {
  await app.close();
  await fixture.close();
});

async function call(path: string, body: object = {}, prefer?: string) {
  const headers = prefer === undefined ? {} : { prefer };
  const answer = await app.inject({
    method: 'POST',
    url: `/rest-api/v3${path}`,
    payload: JSON.stringify(body),
    headers,
  });
  return {
    status: answer.statusCode,
    body: answer.body === '' ? undefined : answer.json<unknown>(),
    headers: answer.headers,
  };
}

async function startJob(prefer = 'respond-async, wait=0'): Promise<string> {
  const { status, body } = await call('/test/slow', {}, prefer);
  expect(status).toBe(202);
  return (body as { id: string }).id;
}

async function job(id: string): Promise<JobObject | undefined> {
  const { status, body } = await call('/jobs/find', { id });
  return status === 200 ? (body as JobObject[])[0] : undefined;
}

describe('a method of v3', () => {
  it('that ends within the time to wait is answered with its result, and is no job any more', async () => {
    const answer = call('/test/slow');
    await vi.waitFor(() => expect(signals).toHaveLength(1));
    finish({ n: 7 });
    expect(await answer).toMatchObject({ status: 200, body: { n: 7 } });
    expect((await call('/jobs/find_all')).status).toBe(404);
  });

  it('that takes longer is answered with 202, and its job tells the result', async () => {
    const id = await startJob();
    await vi.waitFor(() => expect(signals).toHaveLength(1));
    expect(await job(id)).toMatchObject({ id, status: 'RUNNING', method: '/test/slow' });
    finish({ n: 8 });
    await vi.waitFor(async () => expect(await job(id)).toMatchObject({ status: 'DONE', result: { n: 8 } }));
    const { body } = await call('/jobs/find', { jobId: id, status: 'DONE' });
    expect(body).toHaveLength(1);
    expect((await call('/jobs/find', { status: 'FAILED' })).status).toBe(404);
  });

  it('that fails in time is answered as without v3, and its job tells the error otherwise', async () => {
    const answer = call('/test/slow');
    await vi.waitFor(() => expect(signals).toHaveLength(1));
    finish(new RestError(404, 'none'));
    expect((await answer).status).toBe(404);
    const id = await startJob();
    await vi.waitFor(() => expect(signals).toHaveLength(2));
    finish(new Error('secret of ours'));
    await vi.waitFor(async () =>
      expect(await job(id)).toMatchObject({ status: 'FAILED', error: 'internal error', errorStatus: 500 }),
    );
  });

  it('is held no longer than the settings allow, and says what was applied', async () => {
    await app.close();
    await start({ maxWaitMs: 20, maxTimeoutMs: 3000 });
    const { status, headers } = await call('/test/slow', {}, 'respond-async, wait=999999999, timeout=999');
    expect(status).toBe(202);
    expect(headers['preference-applied']).toBe('respond-async, wait=0.02, timeout=3');
  });

  it('is cancelled when it takes longer than its timeout, and told so', async () => {
    await app.close();
    await start({ maxWaitMs: 5000, maxTimeoutMs: 30 });
    const { status, body } = await call('/test/slow');
    expect([status, body]).toMatchObject([500, { message: expect.stringContaining('cancelled') }]);
    expect(signals[0]?.aborted).toBe(true);
    const id = await startJob();
    await vi.waitFor(async () => expect((await job(id))?.status).toBe('CANCELLED'));
    finish({ n: 1 });
    expect((await job(id))?.status).toBe('CANCELLED');
  });

  it('can be cancelled once, by either name', async () => {
    const [first, second] = [await startJob(), await startJob()];
    expect(await call('/jobs/cancel', { id: first })).toMatchObject({ status: 200, body: undefined });
    expect(await call('/jobs/terminate', { jobId: second })).toMatchObject({ status: 200 });
    expect((await call('/jobs/cancel', { id: first })).status).toBe(409);
    expect((await call('/jobs/cancel', { id: 'nobody' })).status).toBe(404);
    expect((await call('/jobs/cancel')).status).toBe(400);
    expect(signals.map(({ aborted }) => aborted)).toEqual([true, true]);
    expect((await app.inject({ method: 'POST', url: '/rest-api/jobs/cancel' })).statusCode).toBe(404);
  });
});

describe('jobs are bounded', () => {
  const forever = { method: '/x', timeoutMs: 60_000, run: () => new Promise(() => {}) };
  const at = (result: unknown) => ({ method: '/x', timeoutMs: 60_000, run: async () => result });

  it('in how many run', () => {
    const jobs = new Jobs({ running: 2 });
    jobs.start(forever);
    jobs.start(forever);
    expect(() => jobs.start(forever)).toThrow('2 jobs run already');
    jobs.close();
  });

  it('in how many are kept, and in what their results take; running ones stay', async () => {
    const jobs = new Jobs({ kept: 3, resultLength: 1000 });
    const running = jobs.start(forever);
    jobs.keep(running);
    for (let i = 0; i < 5; i++) {
      const done = jobs.start(at(i));
      jobs.keep(done);
      await done.over;
    }
    expect(jobs.all().map((kept) => kept.status)).toEqual(['RUNNING', 'DONE', 'DONE']);
    const large = jobs.start(at('x'.repeat(2000)));
    jobs.keep(large);
    await large.over;
    expect(jobs.all()).toEqual([running]);
    jobs.close();
    expect([jobs.kept, running.status]).toEqual([0, 'CANCELLED']);
  });

  it('in how long they are kept', async () => {
    const jobs = new Jobs({ keepMs: 0 });
    const done = jobs.start(at(1));
    jobs.keep(done);
    await done.over;
    await vi.waitFor(() => expect(jobs.all()).toEqual([]));
    jobs.close();
  });
});

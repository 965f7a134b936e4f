import { randomUUID } from 'node:crypto';
import { DataSending, DataSendingResult } from '@sluice/contract';
import type { ControlDeps } from '../control-deps.ts';
import { RestError } from './rest-error.ts';
import { restMethod } from './rest-method.ts';

/** `/data` (rest-api.md §14). */
export const DATA_METHODS = [
  restMethod({
    path: '/data/send',
    summary: 'Sends an object to clients of the Web SDK, which get it as the session event `APP_DATA`.',
    details:
      'The answer is empty when all connections were reached. When some of several were not, it tells which, and why; ' +
      'when none was, it is 404. That it was sent does not say that the page has read it.',
    request: DataSending,
    answer: DataSendingResult,
    errors: { 404: 'no connection was reached: it is not there, or its protocol has no messages for applications' },
    example: {
      operationId: 'd1999750-fbde-11e4-8c1c-6d8a0d9a2f5c',
      sessionId: '/192.0.2.7:50000/192.0.2.1:8080',
      payload: { count: 23 },
    },
    run: ({ deps, body }) => sendData(deps, body),
  }),
];

function sendData(deps: Pick<ControlDeps, 'connections'>, body: DataSending): DataSendingResult | undefined {
  const { sessionId, sessionIds = [], operationId = randomUUID(), payload = null } = body;
  const wanted = new Set(sessionId === undefined ? sessionIds : [sessionId, ...sessionIds]);
  if (wanted.size === 0) throw new RestError(400, 'say whom to send it to: sessionId, or a list sessionIds');
  const result: DataSendingResult = { sent: [], failed: [] };
  for (const id of wanted) {
    const message = sendTo(deps, id, { operationId, payload });
    if (message === undefined) result.sent.push(id);
    else result.failed.push({ sessionId: id, message });
  }
  const [first] = result.failed;
  if (result.sent.length === 0 && first !== undefined) throw new RestError(404, first.message);
  return first === undefined ? undefined : result;
}

/** Gives why it could not be sent. */
function sendTo(
  deps: Pick<ControlDeps, 'connections'>,
  sessionId: string,
  { operationId, payload }: { readonly operationId: string; readonly payload: unknown },
): string | undefined {
  const connection = deps.connections.get(sessionId);
  if (connection === undefined) return 'no connection has that sessionId';
  if (connection.describe().status !== 'ESTABLISHED') return 'the client is not let in yet';
  if (connection.sendData === undefined) {
    return `${connection.describe().protocol} connections can not carry data for an application`;
  }
  connection.sendData(operationId, payload);
  return undefined;
}

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { FailedEvent, HOOK_BODIES, type SentHookName } from '@sluice/contract';
import Type, { type TObject } from 'typebox';
import Value from 'typebox/value';
import type { Fields } from '../../../core/index.ts';

/** One hook that came in. */
export interface ReceivedHook {
  readonly hook: string;
  readonly body: Fields;
  readonly text: string;
  readonly headers: IncomingMessage['headers'];
}

/** What is answered to one hook. Nothing: 200 with the body that was sent. A function writes the answer itself. */
export type ScriptedAnswer =
  | { readonly status?: number; readonly body?: unknown; readonly text?: string }
  | ((response: ServerResponse) => void)
  | undefined;

/**
 * A back end as a customer would write it, that takes the contract at its word: a hook that has no schema, or a field
 * that its schema does not have, is a fault, which a test finds in `faults`.
 */
export class StrictBackEnd {
  readonly received: ReceivedHook[] = [];
  readonly faults: string[] = [];
  /** Decides; may be late. */
  answer: (hook: string, body: Fields) => ScriptedAnswer | Promise<ScriptedAnswer> = () => undefined;
  readonly #server: Server;

  static async start(): Promise<StrictBackEnd> {
    const backEnd = new StrictBackEnd();
    await backEnd.listen(0);
    return backEnd;
  }

  private constructor() {
    this.#server = createServer((request, response) => {
      this.#receive(request, response).catch((error: unknown) => this.faults.push(String(error)));
    });
  }

  /** The application's `url`. */
  get url(): string {
    return `http://127.0.0.1:${this.port}/app`;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** The names of all hooks, in order. */
  get hooks(): readonly string[] {
    return this.received.map(({ hook }) => hook);
  }

  /** The bodies of all hooks of that name, in order. */
  bodies(hook: string): readonly Fields[] {
    return this.received.filter((received) => received.hook === hook).map(({ body }) => body);
  }

  /** Each hook with its status, as far as it has one: `StreamStatusEvent PUBLISHING`. */
  get story(): readonly string[] {
    return this.received.map(({ hook, body }) => {
      const { status } = body;
      return typeof status === 'string' ? `${hook} ${status}` : hook;
    });
  }

  listen(port: number): Promise<void> {
    return new Promise((resolve) => this.#server.listen(port, '127.0.0.1', resolve));
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #receive(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
    const text = Buffer.concat(chunks).toString();
    const hook = (request.url ?? '').replace('/app/', '');
    const body = JSON.parse(text) as Fields;
    this.received.push({ hook, body, text, headers: request.headers });
    if (request.method !== 'POST') this.faults.push(`${request.method} ${request.url}`);
    if (request.headers['content-type'] !== 'application/json') this.faults.push(`${hook}: no JSON`);
    this.faults.push(...faultsOf(hook, body));
    const answer = await this.answer(hook, body);
    if (typeof answer === 'function') return answer(response);
    response.writeHead(answer?.status ?? 200, { 'content-type': 'application/json' });
    response.end(answer?.text ?? JSON.stringify(answer?.body ?? (answer?.status === undefined ? body : {})));
  }
}

/** What in the body is not as the contract says. */
export function faultsOf(hook: string, body: Fields): readonly string[] {
  if (!Object.hasOwn(HOOK_BODIES, hook)) return [`${hook}: no such hook`];
  const schemas: readonly TObject[] =
    hook.endsWith('Event') && body['status'] === 'FAILED' && hook !== 'DataStatusEvent'
      ? [FailedEvent]
      : [HOOK_BODIES[hook as SentHookName]];
  const [schema] = schemas;
  if (schema === undefined) return [];
  const open = 'additionalProperties' in schema && schema.additionalProperties === true;
  const strict = open ? schema : Type.Object(schema.properties, { additionalProperties: false });
  return [...Value.Errors(strict, body)].map((error) => `${hook}: ${JSON.stringify(error)}`);
}

import {
  type AccessControl,
  type ClientAccess,
  type ClientHook,
  type ClientIntroduction,
  type Fields,
  OPEN_ACCESS,
  type StreamAccess,
  type StreamRequestFacts,
} from '../access.ts';
import { MediaServerError } from '../errors.ts';
import type { MediaSession } from '../session-registry.ts';

/** One call of a protocol: what it asked or told, in order. */
export interface AccessCall {
  readonly what: string;
  readonly fields: Fields;
}

/** What is answered to one question: nothing is yes. Given late when it is a promise. */
export type AccessAnswer = { readonly deny?: string; readonly fields?: Fields } | undefined;

/** An AccessControl that does what a test says, and keeps what it was asked and told. */
export class ScriptedAccess implements AccessControl {
  readonly calls: AccessCall[] = [];
  readonly sessions: MediaSession[] = [];
  /** Clients that asked to connect. */
  readonly clients: ClientIntroduction[] = [];
  /** Fields that are kept from clients, by hook. */
  hidden: Readonly<Partial<Record<ClientHook, readonly string[]>>> = {};
  /** What was told against the rules: twice, or after the end of the stream or its client. */
  readonly problems: string[] = [];
  /** Clients and streams that were admitted and have not ended. */
  open = 0;
  /** Decides; `what` is `connect`, `publish`, `play`, `view` or the name of a hook. */
  answer: (what: string, fields: Fields) => AccessAnswer | Promise<AccessAnswer> = () => undefined;

  /** The names of all calls, in order. */
  get whats(): readonly string[] {
    return this.calls.map(({ what }) => what);
  }

  async connect(client: ClientIntroduction): Promise<ClientAccess> {
    const { close: _close, ...facts } = client;
    this.clients.push(client);
    const fields = await this.#ask('connect', { ...facts });
    const open = await OPEN_ACCESS.connect(client);
    const life = this.#begin();
    return {
      ...open,
      fields: { ...open.fields, ...fields },
      established: (late) => this.#tellOf(life, 'established', late ?? {}),
      publish: (request) => this.#admit('publish', request, life),
      play: (request) => this.#admit('play', request, life),
      ask: async (hook, asked) => ({ ...asked, ...(await this.#ask(hook, asked)) }),
      tell: (hook, told) => this.#tell(hook, told),
      forClient: (hook, body) =>
        Object.fromEntries(Object.entries(body).filter(([name]) => this.hidden[hook]?.includes(name) !== true)),
      end: (reason) => this.#end(life, 'end', { reason }),
    };
  }

  async view(viewer: Fields & Parameters<AccessControl['view']>[0]): Promise<void> {
    await this.#ask('view', viewer);
  }

  relayed(appKey: string, fields: Fields): void {
    this.#tell('relayed', { appKey, ...fields });
  }

  async #admit(what: 'publish' | 'play', request: StreamRequestFacts, client: Life): Promise<StreamAccess> {
    const changed = await this.#ask(what, { ...request });
    const name = typeof changed['name'] === 'string' ? changed['name'] : request.name;
    const life = this.#begin();
    return {
      name,
      fields: { ...request.fields, ...changed, name },
      active: (session) => {
        this.sessions.push(session);
        this.#tellOf(life, 'active', { mediaSessionId: session.mediaSessionId });
      },
      stopping: () => this.#tellOf(life, 'stopping', { name }),
      ended: (status, info) => {
        if (client.over) this.problems.push('ended after its client');
        this.#end(life, 'ended', { name, status, info });
      },
      recorded: (event) => this.#tell('recorded', { ...event }),
    };
  }

  #begin(): Life {
    this.open++;
    return { over: false, told: new Set() };
  }

  #end(life: Life, what: string, fields: Fields): void {
    this.#tellOf(life, what, fields);
    if (!life.over) this.open--;
    life.over = true;
  }

  #tellOf(life: Life, what: string, fields: Fields): void {
    if (life.over) this.problems.push(`${what} after the end`);
    if (life.told.has(what)) this.problems.push(`${what} twice`);
    life.told.add(what);
    this.#tell(what, fields);
  }

  async #ask(what: string, fields: Fields): Promise<Fields> {
    this.#tell(what, fields);
    const answer = await this.answer(what, fields);
    if (answer?.deny !== undefined) throw new MediaServerError('ACCESS_DENIED', answer.deny);
    return answer?.fields ?? {};
  }

  #tell(what: string, fields: Fields): void {
    this.calls.push({ what, fields });
  }
}

/** What was told of one client or stream. */
interface Life {
  over: boolean;
  readonly told: Set<string>;
}

import type { HookName } from '@sluice/contract';
import {
  type ClientAccess,
  type ClientIntroduction,
  type DirectHook,
  type EventHook,
  type Fields,
  MediaServerError,
  type StreamAccess,
  type StreamRequestFacts,
} from '../../core/index.ts';
import type { HookContext } from './hook-context.ts';
import { HookSession, NOT_CHECKED, RESTRICTED, randomLogin } from './hook-session.ts';
import { HookedStream, requestFields } from './hooked-stream.ts';
import { isObject } from './json.ts';
import { without } from './policy.ts';
import type { StreamKeepAlives } from './stream-keep-alives.ts';

/** What every `connect` tells, whether or not the client says so (rest-hooks.md §6.1). */
const CONNECT_DEFAULTS = {
  keepAlive: false,
  useWsTunnel: false,
  useWsTunnelPacketization2: false,
  useBase64BinaryEncoding: false,
};

/** A client that was let in, and all that it asks for. */
export class HookedClient implements ClientAccess {
  readonly appKey: string;
  readonly login: string;
  readonly fields: Fields;
  readonly #client: ClientIntroduction;
  readonly #context: HookContext;
  readonly #session: HookSession;
  readonly #keepAlives: StreamKeepAlives;
  readonly #streams = new Set<HookedStream>();
  #established: Fields | undefined;
  #over = false;

  /**
   * Asks the back end for a client.
   * @throws MediaServerError ACCESS_DENIED
   */
  static async connect(
    client: ClientIntroduction,
    context: HookContext,
    keepAlives: StreamKeepAlives,
  ): Promise<HookedClient> {
    const session = new HookSession(context, client);
    const asked = { ...CONNECT_DEFAULTS, ...client.fields, custom: client.custom };
    if (!session.sends('connect')) return new HookedClient(client, { context, session, keepAlives, fields: asked });
    const login = 'sipLogin' in client.fields ? {} : { login: randomLogin() };
    try {
      const fields = await session.connect({ ...login, ...asked });
      return new HookedClient(client, { context, session, keepAlives, fields });
    } catch (error) {
      const info = error instanceof MediaServerError ? error.message : NOT_CHECKED;
      session.tell('ConnectionStatusEvent', { status: 'FAILED', info }, true);
      throw error;
    }
  }

  private constructor(
    client: ClientIntroduction,
    parts: {
      readonly context: HookContext;
      readonly session: HookSession;
      readonly keepAlives: StreamKeepAlives;
      readonly fields: Fields;
    },
  ) {
    this.#client = client;
    this.#context = parts.context;
    this.#session = parts.session;
    this.#keepAlives = parts.keepAlives;
    this.fields = parts.fields;
    this.appKey = client.appKey;
    this.login = loginOf(parts.fields);
  }

  established(fields: Fields = {}): void {
    if (this.#established !== undefined || this.#over) return;
    this.#established = fields;
    this.#tellStatus('ESTABLISHED');
  }

  publish(request: StreamRequestFacts): Promise<StreamAccess> {
    return this.#admit(request, 'publish');
  }

  play(request: StreamRequestFacts): Promise<StreamAccess> {
    return this.#admit(request, 'play');
  }

  async ask(hook: DirectHook, fields: Fields): Promise<Fields> {
    this.#mustBeThere();
    return this.#session.ask(hook, fields);
  }

  tell(hook: EventHook, fields: Fields): void {
    if (this.#over) return;
    const failed = fields['status'] === 'FAILED' && hook !== 'DataStatusEvent';
    this.#session.tell(hook, failed ? { status: 'FAILED', info: fields['info'] ?? '' } : fields, true);
  }

  forClient(hook: HookName, body: Fields): Fields {
    const { clientExclude } = this.#session.policy(hook);
    return clientExclude.size === 0 ? body : without(body, clientExclude);
  }

  end(reason: string): void {
    if (this.#over) return;
    for (const stream of [...this.#streams]) stream.ended(stream.published ? 'UNPUBLISHED' : 'STOPPED', reason);
    this.#over = true;
    if (this.#established !== undefined) this.#tellStatus('DISCONNECTED', reason);
    else this.#session.tell('ConnectionStatusEvent', { status: 'FAILED', info: reason });
  }

  async #admit(request: StreamRequestFacts, kind: 'publish' | 'play'): Promise<StreamAccess> {
    this.#mustBeThere();
    const { protocol, remoteAddress, sessionId } = this.#client;
    const { appKey } = this;
    const facts = { request, kind, protocol, sessionId, appKey } as const;
    try {
      const custom = { ...objectOf(this.#client.custom), ...objectOf(request.custom) };
      const streamName = request.name;
      await this.#context.gate?.check({ kind, protocol, streamName, remoteAddress, custom, appKey });
      const hook = kind === 'publish' ? 'publishStream' : 'playStream';
      const asked = requestFields(request, kind);
      const fields = await this.#session.ask(hook, asked);
      const stream = new HookedStream(facts, {
        context: this.#context,
        session: this.#session,
        keepAlives: this.#keepAlives,
        fields,
        over: () => void this.#streams.delete(stream),
      });
      this.#streams.add(stream);
      // The client may have left while the back end was asked.
      if (this.#over) stream.ended('FAILED', RESTRICTED);
      this.#mustBeThere();
      return stream;
    } catch (error) {
      const info = error instanceof MediaServerError ? error.message : NOT_CHECKED;
      if (!this.#over) HookedStream.refused(facts, { context: this.#context, session: this.#session, info });
      throw error;
    }
  }

  #mustBeThere(): void {
    if (this.#over) throw new MediaServerError('ACCESS_DENIED', 'Session is closed');
  }

  #tellStatus(status: 'ESTABLISHED' | 'DISCONNECTED', info?: string): void {
    if (!this.#session.sends('ConnectionStatusEvent')) return;
    this.#session.tell('ConnectionStatusEvent', { ...this.fields, ...this.#established, status, info });
  }
}

function objectOf(custom: Fields): Fields {
  return isObject(custom) ? custom : {};
}

/** The client's own login, or one that was made for it. */
function loginOf({ sipLogin, login }: Fields): string {
  if (typeof sipLogin === 'string' && sipLogin !== '') return sipLogin;
  return typeof login === 'string' && login !== '' ? login : randomLogin();
}

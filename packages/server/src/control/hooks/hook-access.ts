import { setMaxListeners } from 'node:events';
import {
  type AccessControl,
  type ClientAccess,
  type ClientIntroduction,
  type Fields,
  MediaServerError,
  type ViewerIntroduction,
} from '../../core/index.ts';
import { RateLimiter } from '../../io/index.ts';
import { BackEnds } from './delivery/back-ends.ts';
import type { HookContext } from './hook-context.ts';
import { HookSession, RESTRICTED } from './hook-session.ts';
import { HookedClient } from './hooked-client.ts';
import { warnOfOpenApplications } from './open-applications.ts';
import { StreamKeepAlives } from './stream-keep-alives.ts';
import { ViewerAnswers } from './viewer-answers.ts';

const DRAIN_POLL_MS = 20;
const FAULTS_PER_SECOND = 10;

/** What hooks need from the composition root. */
export type HookAccessDeps = Omit<HookContext, 'backEnds' | 'faults' | 'stopping'>;

/** Asks the back ends of applications, and tells them: the server's access control. */
export class HookAccess implements AccessControl {
  readonly #context: HookContext;
  readonly #stopping = new AbortController();
  readonly #keepAlives: StreamKeepAlives;
  readonly #viewers: ViewerAnswers;
  readonly #warning: Disposable | undefined;
  #closing: Promise<void> | undefined;

  constructor(deps: HookAccessDeps) {
    setMaxListeners(0, this.#stopping.signal);
    const backEnds = new BackEnds(deps.applications, deps.options);
    const faults = new RateLimiter(FAULTS_PER_SECOND);
    this.#context = { ...deps, backEnds, faults, stopping: this.#stopping.signal };
    this.#keepAlives = new StreamKeepAlives(this.#context);
    this.#viewers = new ViewerAnswers(this.#context);
    const { backEndRequired, disabled } = deps.options;
    this.#warning = backEndRequired || disabled ? undefined : warnOfOpenApplications(deps.applications, deps.log);
  }

  /** Connections to back ends: in use, idle, and hooks that wait for one. */
  get connections(): { readonly leased: number; readonly available: number; readonly pending: number } {
    return this.#context.backEnds.connections();
  }

  /** Events that wait or are on their way. */
  get heldEvents(): number {
    return this.#context.backEnds.heldEvents;
  }

  async connect(client: ClientIntroduction): Promise<ClientAccess> {
    const { applications, options } = this.#context;
    if (applications.get(client.appKey) === undefined && !options.disabled) {
      throw new MediaServerError('APPLICATION_UNKNOWN', `there is no application "${client.appKey.slice(0, 64)}"`);
    }
    if (options.backEndRequired && !options.disabled && this.#context.backEnds.get(client.appKey) === undefined)
      throw new MediaServerError('ACCESS_DENIED', RESTRICTED);
    return HookedClient.connect(client, this.#context, this.#keepAlives);
  }

  view(viewer: ViewerIntroduction): Promise<void> | undefined {
    return this.#viewers.ask(viewer);
  }

  relayed(appKey: string, fields: Fields): void {
    const sessionId = String(fields['mediaSessionId']);
    new HookSession(this.#context, { appKey, sessionId }).tell('RelayStatusEvent', fields);
  }

  /**
   * Gives the events that were told a last chance to be delivered, a short one, then ends everything. To be called when
   * all clients have ended. Idempotent.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#keepAlives.close();
    this.#warning?.[Symbol.dispose]();
    this.#stopping.abort();
    const { backEnds, options, log } = this.#context;
    const deadline = performance.now() + options.drainMs;
    while (backEnds.heldEvents > 0 && performance.now() < deadline) {
      await new Promise((resolve) => setTimeout(resolve, DRAIN_POLL_MS));
    }
    const lost = backEnds.heldEvents;
    if (lost > 0) log.warn({ lost }, 'the server stops before back ends have taken all events');
    await backEnds.close();
  }
}

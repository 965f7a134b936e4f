import { randomBytes } from 'node:crypto';
import type { HookName } from '@sluice/contract';
import { type Fields, MediaServerError } from '../../core/index.ts';
import type { BackEnd } from './delivery/back-end.ts';
import { Chain } from './delivery/chain.ts';
import { deliverEvent } from './delivery/event-delivery.ts';
import { type HookAnswer, refusalInfo } from './delivery/hook-answer.ts';
import type { HookContext } from './hook-context.ts';
import { parseObject } from './json.ts';
import { LoggedBody } from './logged-body.ts';
import {
  connectOverwritten,
  DEFAULT_POLICY,
  type HookPolicies,
  type HookPolicy,
  overwritten,
  readRestClientConfig,
  without,
} from './policy.ts';

/** Words for a client whose back end has none of its own (websdk-signalling.md §6.3). */
export const RESTRICTED = 'Restricted access';
/** For one whose back end did not answer, or with something that can't be used. */
export const NOT_CHECKED = 'Access could not be checked';

/** Hooks of one session that may wait at once; a client that does more is refused. */
const MAX_PENDING = 256;
/** What fields that are known late may take. */
const LATE_BYTES = 1024;
/** Of the room for events, for those that clients cause as they like. */
const AT_WILL_SHARE = 0.5;
const NO_POLICIES: HookPolicies = new Map();

/** The hooks of one session: in order, by the policies that its back end gave it. */
export class HookSession {
  readonly appKey: string;
  readonly sessionId: string;
  readonly #context: HookContext;
  readonly #chain = new Chain();
  #policies: HookPolicies;

  /** @param policies Of a session that does not connect. */
  constructor(
    context: HookContext,
    { appKey, sessionId }: { readonly appKey: string; readonly sessionId: string },
    policies = NO_POLICIES,
  ) {
    this.#context = context;
    this.appKey = appKey;
    this.sessionId = sessionId;
    this.#policies = policies;
  }

  /** True when somebody is to hear of that hook. Asked first, so that nothing is made for nobody. */
  sends(hook: HookName): boolean {
    if (this.#context.backEnds.get(this.appKey) === undefined) return false;
    const application = this.#context.applications.get(this.appKey);
    return application?.restMethods.includes(hook) === true && this.policy(hook).restPolicy !== 'DISABLE';
  }

  policy(hook: HookName): HookPolicy {
    return this.#policies.get(hook) ?? DEFAULT_POLICY;
  }

  /**
   * Asks whether the session may be, and takes over its policies. Gives the fields as the back end left them.
   * @throws MediaServerError ACCESS_DENIED for any answer but 200 with an object, and for none
   */
  async connect(fields: Fields): Promise<Fields> {
    if (!this.sends('connect')) return fields;
    const answer = await this.#ask('connect', fields, { wantsText: true, mustBeObject: true });
    this.#policies = readRestClientConfig(answer['restClientConfig']);
    const changed = connectOverwritten({ body: fields, answer });
    if (changed.wrong.length > 0) {
      const bindings = { appKey: this.appKey, session: this.sessionId, fields: changed.wrong };
      const suppressed = this.#context.faults.take();
      const what = 'the back end gave fields of connect values that they can not have';
      if (suppressed >= 0) this.#context.log.warn({ ...bindings, suppressed }, what);
    }
    return changed.fields;
  }

  /**
   * Asks whether something may be, or only tells of it, as the session's policy says; gives the fields as the back end
   * left them. What nobody is asked about is allowed.
   * @throws MediaServerError ACCESS_DENIED
   */
  async ask(hook: HookName, fields: Fields): Promise<Fields> {
    if (this.#context.applications.get(this.appKey) === undefined && !this.#context.options.disabled)
      throw new MediaServerError('ACCESS_DENIED', RESTRICTED);
    if (!this.sends(hook)) return fields;
    const { restPolicy, restOnError, restOverwrite } = this.policy(hook);
    const overwrites = restPolicy === 'OVERWRITE' && restOverwrite.size > 0;
    try {
      const answer = await this.#ask(hook, fields, { wantsText: overwrites, mustBeObject: overwrites });
      return overwrites ? this.#overwritten(hook, fields, answer) : fields;
    } catch (error) {
      if (restOnError === 'FAIL' || !(error instanceof MediaServerError)) throw error;
      return fields;
    }
  }

  /** Tells of something that the client does and that nobody can forbid; a refusal is logged. */
  notify(hook: HookName, fields: Fields): void {
    if (!this.sends(hook)) return;
    this.#ask(hook, fields, { wantsText: false, mustBeObject: false }).catch(() => {});
  }

  /**
   * Tells of something that has happened: delivered after what was told before, and tried again where it fails.
   * @param atWill True for what a client can make happen as often as it likes. It gets half of the room that events
   * have, and little of it by one client, so that it does not displace what is told of everybody else's streams.
   */
  tell(hook: HookName, fields: Fields, atWill = false): void {
    const backEnd = this.#context.backEnds.get(this.appKey);
    if (backEnd === undefined || !this.sends(hook)) return;
    if (atWill && this.#chain.pending >= MAX_PENDING) return this.#context.counters.count('hooks_dropped');
    const body = this.#body(hook, fields);
    const held = backEnd.hold('event', Buffer.byteLength(body), atWill ? AT_WILL_SHARE : 1);
    if (held === undefined) {
      this.#context.counters.count('hooks_dropped');
      return;
    }
    this.#deliver(hook, () => body, held);
  }

  /**
   * Tells of something when the rest of its fields is known; what is told after it waits too, so that the order stays.
   * @param late Must not reject
   */
  tellWhenKnown(hook: HookName, fields: Fields, late: Promise<Fields>): void {
    const backEnd = this.#context.backEnds.get(this.appKey);
    if (backEnd === undefined || !this.sends(hook)) return;
    const held = backEnd.hold('event', Buffer.byteLength(this.#body(hook, fields)) + LATE_BYTES);
    if (held === undefined) this.#context.counters.count('hooks_dropped');
    else this.#deliver(hook, async () => this.#body(hook, { ...fields, ...(await late) }), held);
  }

  #deliver(hook: HookName, body: () => string | Promise<string>, held: Disposable): void {
    const deliver = async (): Promise<void> => {
      const event = { hook, body: await body(), appKey: this.appKey, toldMs: performance.now() };
      await deliverEvent(this.#context, event);
    };
    this.#chain
      .run(deliver)
      .catch((error: unknown) => this.#context.log.error({ err: error, hook }, 'hook failed'))
      .finally(() => held[Symbol.dispose]());
  }

  /**
   * Sends an event once, without waiting for others, and gives its answer's status; undefined when there is none.
   */
  async tellOnce(hook: HookName, fields: Fields): Promise<number | undefined> {
    const backEnd = this.#context.backEnds.get(this.appKey);
    if (backEnd === undefined || !this.sends(hook)) return undefined;
    const body = this.#body(hook, fields);
    const held = backEnd.hold('event', Buffer.byteLength(body));
    if (held === undefined) {
      this.#context.counters.count('hooks_dropped');
      return undefined;
    }
    try {
      this.#context.counters.count('hooks_sent');
      return (await backEnd.post({ hook, body, urgency: 'event', wantsText: false })).status;
    } catch (error) {
      this.#failed(hook, error);
      return undefined;
    } finally {
      held[Symbol.dispose]();
    }
  }

  /** Gives the object of an answer with 200, empty where none is wanted. @throws MediaServerError ACCESS_DENIED */
  async #ask(
    hook: HookName,
    fields: Fields,
    wanted: { readonly wantsText: boolean; readonly mustBeObject: boolean },
  ): Promise<Fields> {
    const backEnd = this.#context.backEnds.get(this.appKey);
    if (backEnd === undefined) return {};
    const body = this.#body(hook, fields);
    const answer = await this.#post(backEnd, { hook, body, wantsText: wanted.wantsText });
    this.#context.log.debug({ hook, status: answer.status }, 'RECEIVED REST OBJECT <==');
    if (answer.status !== 200) throw this.#refused(hook, answer);
    if (!wanted.mustBeObject) return {};
    const object = parseObject(answer.text);
    if (object === undefined) throw this.#failed(hook, 'the answer is not a JSON object');
    return object;
  }

  async #post(
    backEnd: BackEnd,
    { hook, body, wantsText }: { readonly hook: HookName; readonly body: string; readonly wantsText: boolean },
  ): Promise<HookAnswer> {
    const held = this.#chain.pending < MAX_PENDING ? backEnd.hold('direct', Buffer.byteLength(body)) : undefined;
    if (held === undefined) {
      this.#context.counters.count('hooks_dropped');
      throw this.#failed(hook, 'too many hooks wait already');
    }
    try {
      return await this.#chain.run(() => {
        this.#context.counters.count('hooks_sent');
        return backEnd.post({ hook, body, urgency: 'direct', wantsText });
      }, this.#context.options.orderWaitMs);
    } catch (error) {
      throw this.#failed(hook, error);
    } finally {
      held[Symbol.dispose]();
    }
  }

  #overwritten(hook: HookName, body: Fields, answer: Fields): Fields {
    try {
      return overwritten(hook, { body, answer }, this.policy(hook).restOverwrite);
    } catch (error) {
      throw this.#failed(hook, error);
    }
  }

  #body(hook: HookName, fields: Fields): string {
    const { nodeId, log } = this.#context;
    const origin = { nodeId, appKey: this.appKey, sessionId: this.sessionId };
    const body = without({ ...origin, ...fields, ...origin }, this.policy(hook).restExclude);
    log.debug({ hook, object: new LoggedBody(body) }, 'SEND REST OBJECT ==>');
    return JSON.stringify(body);
  }

  #refused(hook: HookName, { status, text }: HookAnswer): MediaServerError {
    this.#context.counters.count('hooks_refused');
    const { appKey, sessionId: session } = this;
    const suppressed = this.#context.faults.take();
    if (suppressed >= 0) this.#context.log.info({ hook, appKey, session, status, suppressed }, 'the back end refused');
    return new MediaServerError('ACCESS_DENIED', refusalInfo(text) ?? RESTRICTED);
  }

  #failed(hook: HookName, error: unknown): MediaServerError {
    if (error instanceof MediaServerError) return error;
    this.#context.counters.count('hooks_failed');
    const why = error instanceof Error ? error.message : String(error);
    const { appKey, sessionId: session } = this;
    const suppressed = this.#context.faults.take();
    if (suppressed >= 0) this.#context.log.warn({ hook, appKey, session, why, suppressed }, 'hook failed');
    return new MediaServerError('ACCESS_DENIED', NOT_CHECKED, { cause: error });
  }
}

/** WCS's `login` of a client that has no SIP login: 20 random characters. */
export function randomLogin(): string {
  return randomBytes(15).toString('base64url');
}

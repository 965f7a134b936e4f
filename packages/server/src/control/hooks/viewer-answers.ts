import { createHash } from 'node:crypto';
import { MediaServerError, type ViewerIntroduction } from '../../core/index.ts';
import type { HookContext } from './hook-context.ts';
import { HookSession, NOT_CHECKED, RESTRICTED } from './hook-session.ts';
import { requestFields } from './hooked-stream.ts';
import { DEFAULT_POLICY, type HookPolicies } from './policy.ts';

interface Answer {
  /** What the back end said. */
  readonly verdict: Promise<MediaServerError | undefined>;
  /** From when on the back end is asked anew, as `performance.now()`; while it is being asked, never. */
  untilMs: number;
  /** Until then nobody is asked anything. */
  allowedUntilMs: number;
}

/** A viewer has no `connect`, whose answer could say so. */
const POLICIES: HookPolicies = new Map(
  (['playHLS', 'playRTSP'] as const).map((hook) => [hook, { ...DEFAULT_POLICY, restOnError: 'FAIL' }]),
);
/** What the settings allow is looked at again after this: a token expires, and a request is soon followed by others. */
const RECHECK_MS = 1000;
const MAX_KEY_LENGTH = 512;

/**
 * Whether viewers without a connection may watch (`playHLS`, `playRTSP`, rest-hooks.md §6.2), or have pictures and recordings of a
 * stream: who guards the one wants the others guarded too. They ask with each request; their back
 * end hears of it once in a while. Requests that come while it is being asked wait for the same answer.
 */
export class ViewerAnswers {
  readonly #context: HookContext;
  readonly #answers = new Map<string, Answer>();
  /** What was made of viewers that are asked about with each of their requests. */
  readonly #keys = new WeakMap<ViewerIntroduction, string>();

  constructor(context: HookContext) {
    this.#context = context;
  }

  /**
   * Resolves when the viewer may watch; undefined when that is known.
   * @throws MediaServerError by the promise: what the gate throws, ACCESS_DENIED or APPLICATION_UNKNOWN
   */
  ask(viewer: ViewerIntroduction): Promise<void> | undefined {
    // RTSP has few requests, and the back end is to hear of each (functions-1 §4.2).
    if (viewer.protocol === 'rtsp' && this.#context.options.rtspAuth) return this.#checkRequest(viewer);
    const key = this.#keyOf(viewer);
    const nowMs = performance.now();
    const known = this.#answers.get(key);
    if (known !== undefined && nowMs < known.allowedUntilMs) return undefined;
    return this.#check(viewer, key);
  }

  #keyOf(viewer: ViewerIntroduction): string {
    let key = this.#keys.get(viewer);
    if (key === undefined) {
      key = keyOf(viewer);
      this.#keys.set(viewer, key);
    }
    return key;
  }

  async #check(viewer: ViewerIntroduction, key: string): Promise<void> {
    const { streamName, protocol, remoteAddress, custom, appKey } = viewer;
    await this.#context.gate?.check({ kind: 'play', protocol, streamName, remoteAddress, custom, appKey });
    const answer = this.#answer(viewer, key);
    const refusal = await answer.verdict;
    if (refusal !== undefined) throw refusal;
    answer.allowedUntilMs = Math.min(performance.now() + RECHECK_MS, answer.untilMs);
  }

  async #checkRequest(viewer: ViewerIntroduction): Promise<void> {
    const { streamName, protocol, remoteAddress, custom, appKey } = viewer;
    await this.#context.gate?.check({ kind: 'play', protocol, streamName, remoteAddress, custom, appKey });
    const refusal = await this.#decide(viewer);
    if (refusal !== undefined) throw refusal;
  }

  #answer(viewer: ViewerIntroduction, key: string): Answer {
    const known = this.#answers.get(key);
    if (known !== undefined && performance.now() < known.untilMs) return known;
    const { cacheMs, refusalCacheMs } = this.#context.options.hlsAuth;
    const answer: Answer = { verdict: this.#decide(viewer), untilMs: Number.POSITIVE_INFINITY, allowedUntilMs: 0 };
    // The newest last.
    this.#answers.delete(key);
    this.#answers.set(key, answer);
    this.#forgetOldest();
    void answer.verdict.then((refusal) => {
      answer.untilMs = performance.now() + (refusal === undefined ? cacheMs : refusalCacheMs);
    });
    return answer;
  }

  #forgetOldest(): void {
    for (const key of this.#answers.keys()) {
      if (this.#answers.size <= this.#context.options.hlsAuth.maxCached) return;
      this.#answers.delete(key);
    }
  }

  /** Never rejects. What can't be asked is refused, as for `connect`: who turns this on wants nobody to get by. */
  async #decide(viewer: ViewerIntroduction): Promise<MediaServerError | undefined> {
    const { applications, backEnds, options } = this.#context;
    const asked = viewer.protocol === 'rtsp' ? options.rtspAuth : options.hlsAuth.enabled;
    if (!asked || options.disabled) return undefined;
    const { appKey } = viewer;
    const application = applications.get(appKey);
    if (application === undefined)
      return new MediaServerError('APPLICATION_UNKNOWN', `there is no application "${appKey.slice(0, 64)}"`);
    // Viewers name the application themselves: one that has nobody to ask must be no way in.
    if (backEnds.get(appKey) === undefined) return new MediaServerError('ACCESS_DENIED', RESTRICTED);
    if (!application.restMethods.includes(hookOf(viewer))) return undefined;
    try {
      await this.#askBackEnd(viewer);
      return undefined;
    } catch (error) {
      const refusal = error instanceof MediaServerError ? error : new MediaServerError('ACCESS_DENIED', NOT_CHECKED);
      this.#remember(viewer, refusal.message);
      return refusal;
    }
  }

  async #askBackEnd(viewer: ViewerIntroduction): Promise<void> {
    const { mediaSessionId, streamName, mediaProvider, custom, fields } = viewer;
    const stream = this.#context.streams.get(streamName);
    const request = {
      mediaSessionId,
      name: typeof fields?.['name'] === 'string' ? fields['name'] : streamName,
      mediaProvider,
      hasVideo: stream?.state.video !== undefined,
      hasAudio: stream?.state.audio !== undefined,
      custom,
      fields: { token: custom['token'], ...fields },
    };
    await new HookSession(this.#context, viewer, POLICIES).ask(hookOf(viewer), requestFields(request, 'play'));
  }

  #remember({ mediaSessionId, sessionId, streamName, protocol }: ViewerIntroduction, info: string): void {
    const who = { mediaSessionId, sessionId, streamName, protocol };
    this.#context.endings.add({ ...who, mediaType: 'play', status: 'FAILED', info, atMs: Date.now() });
  }
}

function hookOf({ protocol }: ViewerIntroduction): 'playHLS' | 'playRTSP' {
  return protocol === 'rtsp' ? 'playRTSP' : 'playHLS';
}

/** Tells questions apart. Short, whatever a viewer writes into its address: many of them are kept. */
function keyOf({ protocol, appKey, streamName, remoteAddress, custom }: ViewerIntroduction): string {
  const text = JSON.stringify([protocol, appKey, streamName, addressOf(remoteAddress), custom]);
  return text.length <= MAX_KEY_LENGTH ? text : createHash('sha256').update(text).digest('base64');
}

/** Without the port: a player may use several connections. */
function addressOf(remoteAddress: string): string {
  return /^[^:]+:\d+$/.test(remoteAddress) ? remoteAddress.replace(/:\d+$/, '') : remoteAddress;
}

import { randomUUID } from 'node:crypto';
import { MediaServerError, type ViewerIntroduction } from '../../core/index.ts';
import type { HookContext } from './hook-context.ts';
import { HookSession, NOT_CHECKED } from './hook-session.ts';
import { requestFields } from './hooked-stream.ts';
import { DEFAULT_POLICY, type HookPolicies } from './policy.ts';

interface Answer {
  readonly verdict: Promise<MediaServerError | undefined>;
  /** From when on it is asked anew, as `performance.now()`; while it is being asked, never. */
  untilMs: number;
}

/** A viewer has no `connect`, whose answer could say so. */
const POLICIES: HookPolicies = new Map([['playHLS', { ...DEFAULT_POLICY, restOnError: 'FAIL' }]]);

/**
 * Whether viewers without a connection may watch (`playHLS`, rest-hooks.md §6.2). They ask with each request; their back
 * end hears of it once in a while. Requests that come while it is being asked wait for the same answer.
 */
export class ViewerAnswers {
  readonly #context: HookContext;
  readonly #answers = new Map<string, Answer>();

  constructor(context: HookContext) {
    this.#context = context;
  }

  /** Viewers that are remembered. */
  get size(): number {
    return this.#answers.size;
  }

  /** Resolves when the viewer may watch. @throws MediaServerError ACCESS_DENIED or APPLICATION_UNKNOWN */
  async ask(viewer: ViewerIntroduction): Promise<void> {
    const { applications, backEnds, options } = this.#context;
    if (!options.hlsAuth.enabled || options.disabled) return;
    const { appKey } = viewer;
    const application = applications.get(appKey);
    if (application === undefined)
      throw new MediaServerError('APPLICATION_UNKNOWN', `there is no application "${appKey.slice(0, 64)}"`);
    if (backEnds.get(appKey) === undefined || !application.restMethods.includes('playHLS')) return;
    const refusal = await this.#answer(viewer).verdict;
    if (refusal !== undefined) throw refusal;
  }

  #answer(viewer: ViewerIntroduction): Answer {
    const { appKey, streamName, remoteAddress, custom } = viewer;
    const key = JSON.stringify([appKey, streamName, addressOf(remoteAddress), custom]);
    const known = this.#answers.get(key);
    if (known !== undefined && performance.now() < known.untilMs) return known;
    const answer: Answer = { verdict: this.#decide(viewer), untilMs: Number.POSITIVE_INFINITY };
    // The newest last.
    this.#answers.delete(key);
    this.#answers.set(key, answer);
    this.#forgetOldest();
    const { cacheMs, refusalCacheMs } = this.#context.options.hlsAuth;
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
    const { streamName, mediaProvider, custom } = viewer;
    const mediaSessionId = `${randomUUID()}-${streamName}-HLS`;
    const session = new HookSession(this.#context, viewer, POLICIES);
    const stream = this.#context.streams.get(streamName);
    const request = {
      mediaSessionId,
      name: streamName,
      mediaProvider,
      hasVideo: stream?.state.video !== undefined,
      hasAudio: stream?.state.audio !== undefined,
      custom,
      fields: { token: custom['token'] },
    };
    try {
      await session.ask('playHLS', requestFields(request, 'play'));
      return undefined;
    } catch (error) {
      const refusal = error instanceof MediaServerError ? error : new MediaServerError('ACCESS_DENIED', NOT_CHECKED);
      this.#context.endings.add({
        mediaSessionId,
        sessionId: viewer.sessionId,
        streamName,
        protocol: viewer.protocol,
        mediaType: 'play',
        status: 'FAILED',
        info: refusal.message,
        atMs: Date.now(),
      });
      return refusal;
    }
  }
}

/** Without the port: a player may use several connections. */
function addressOf(remoteAddress: string): string {
  return remoteAddress.replace(/:\d+$/, (port) => (remoteAddress.split(':').length > 2 ? port : ''));
}

import type {
  Ending,
  Fields,
  MediaSession,
  RecordingEvent,
  Stream,
  StreamAccess,
  StreamRequestFacts,
} from '../../core/index.ts';
import type { HookContext } from './hook-context.ts';
import type { HookSession } from './hook-session.ts';
import type { StreamKeepAlives } from './stream-keep-alives.ts';

/** Limits that most clients have no means to ask for (rest-hooks.md §6.2). */
const NOT_REQUESTED = { record: false, width: 0, height: 0, bitrate: 0, minBitrate: 0, maxBitrate: 0, quality: 0 };

/** Who wants to publish or play what. */
export interface StreamFacts {
  readonly request: StreamRequestFacts;
  readonly kind: 'publish' | 'play';
  readonly protocol: string;
  readonly sessionId: string;
  readonly appKey: string;
}

interface StreamParts {
  readonly context: HookContext;
  readonly session: HookSession;
  readonly keepAlives: StreamKeepAlives;
  /** Fields of the request as the back end left them. */
  readonly fields: Fields;
  readonly over: () => void;
}

/** The body of `publishStream` or `playStream`, without the fields that every hook has. */
export function requestFields(request: StreamRequestFacts, kind: 'publish' | 'play'): Fields {
  const { mediaSessionId, name, mediaProvider, hasVideo, hasAudio, custom, fields } = request;
  return {
    ...NOT_REQUESTED,
    ...fields,
    mediaSessionId,
    name,
    published: kind === 'publish',
    hasVideo,
    hasAudio,
    // Also for the Web SDK, which says PENDING.
    status: 'NEW',
    mediaProvider,
    custom,
  };
}

/** A publication or playback that was admitted, and what its back end hears of it. */
export class HookedStream implements StreamAccess {
  readonly name: string;
  readonly fields: Fields;
  readonly published: boolean;
  readonly #facts: StreamFacts;
  readonly #parts: StreamParts;
  #session: MediaSession | undefined;
  #stream: Stream | undefined;
  #keptAlive: Disposable | undefined;
  #stopping = false;
  #over = false;

  /** Tells of one that was not admitted. */
  static refused(
    facts: StreamFacts,
    { context, session, info }: { readonly context: HookContext; readonly session: HookSession; readonly info: string },
  ): void {
    context.endings.add(ending(facts, { streamName: facts.request.name, status: 'FAILED', info }));
    session.tell('StreamStatusEvent', { status: 'FAILED', info }, true);
  }

  constructor(facts: StreamFacts, parts: StreamParts) {
    this.#facts = facts;
    this.#parts = parts;
    this.fields = parts.fields;
    this.name = typeof parts.fields['name'] === 'string' ? parts.fields['name'] : facts.request.name;
    this.published = facts.kind === 'publish';
  }

  active(mediaSession: MediaSession): void {
    if (this.#over || this.#session !== undefined) return;
    const { context, session, keepAlives } = this.#parts;
    this.#session = mediaSession;
    this.#stream = context.streams.get(this.name);
    if (session.sends('StreamStatusEvent')) {
      session.tell('StreamStatusEvent', this.#body(this.published ? 'PUBLISHING' : 'PLAYING'));
    }
    this.#keptAlive = keepAlives.add(session, {
      mediaSession,
      body: () => this.#body(this.published ? 'PUBLISHING' : 'PLAYING'),
    });
  }

  stopping(): void {
    if (this.#over || this.#stopping) return;
    this.#stopping = true;
    const hook = this.published ? 'unPublishStream' : 'stopStream';
    if (!this.#parts.session.sends(hook)) return;
    const { mediaSessionId, published, hasVideo, hasAudio, record } = {
      ...requestFieldsOf(this.#facts),
      ...this.fields,
    };
    const status = this.published ? 'PUBLISHING' : 'PLAYING';
    this.#parts.session.notify(hook, {
      mediaSessionId,
      name: this.name,
      published,
      hasVideo,
      hasAudio,
      status: this.#session === undefined ? 'PENDING' : status,
      record,
    });
  }

  ended(status: 'UNPUBLISHED' | 'STOPPED' | 'FAILED', info = ''): void {
    if (this.#over) return;
    this.#over = true;
    const { context, session, over } = this.#parts;
    this.#keptAlive?.[Symbol.dispose]();
    over();
    context.endings.add(ending(this.#facts, { streamName: this.name, status, info }));
    if (!session.sends('StreamStatusEvent')) return;
    const body = status === 'FAILED' ? { status, info } : { ...this.#body(status), ...(info === '' ? {} : { info }) };
    const recorded = this.published ? context.recorder?.()?.settled(this.#facts.request.mediaSessionId) : undefined;
    if (recorded === undefined) session.tell('StreamStatusEvent', body, this.#session === undefined);
    else
      session.tellWhenKnown(
        'StreamStatusEvent',
        body,
        recorded.then(recordNameField, () => ({})),
      );
  }

  recorded({ type, fileName, facts }: RecordingEvent): void {
    const { mediaSessionId } = this.#facts.request;
    this.#parts.session.tell('StreamEvent', { mediaSessionId, name: this.name, type, payload: { fileName, ...facts } });
  }

  /** The Stream object (rest-api.md §3); before it is active, what the client asked for. */
  #body(status: string): Fields {
    const asked = requestFieldsOf(this.#facts);
    if (this.#session === undefined) {
      const {
        sdp: _long,
        rtmpUrl: _where,
        constraints: _c,
        localMediaInfo: _l,
        ...fields
      } = { ...asked, ...this.fields };
      return { ...BEFORE_ACTIVE, ...fields, mediaType: this.#facts.kind, createDate: Date.now(), status };
    }
    const described = this.#parts.context.describe(this.#session, this.#stream);
    // A publisher has sent nothing yet when it begins; it said what it is going to send.
    const known = described.hasVideo || described.hasAudio;
    return {
      ...described,
      ...(known ? {} : { hasVideo: asked['hasVideo'], hasAudio: asked['hasAudio'] }),
      ...(this.fields['record'] === true ? { record: true } : {}),
      name: this.name,
      status,
    };
  }
}

function recordNameField(recordName: string): Fields {
  return { recordName };
}

const BEFORE_ACTIVE = {
  history: false,
  gop: 0,
  fps: 0,
  audioBitrate: 0,
  codecImpl: '',
  transport: 'UDP',
  cvoExtension: false,
  audioState: { muted: false },
  videoState: { muted: false },
};

function requestFieldsOf({ request, kind }: StreamFacts): Fields {
  return requestFields(request, kind);
}

function ending(facts: StreamFacts, how: Pick<Ending, 'streamName' | 'status' | 'info'>): Ending {
  const { request, kind, protocol, sessionId } = facts;
  return { mediaSessionId: request.mediaSessionId, sessionId, protocol, mediaType: kind, ...how, atMs: Date.now() };
}

import {
  CallRequest,
  DataRequest,
  DebugRequest,
  LogRequest,
  NamedStreamRequest,
  STREAM_INFO,
  StreamEventRequest,
  StreamRequest,
} from '@sluice/contract';
import {
  type ClientAccess,
  type DirectHook,
  type Fields,
  infoOfError,
  MediaServerError,
  type Snapshots,
  type StreamRegistry,
} from '../../core/index.ts';
import { RateLimiter } from '../../io/index.ts';
import type { ClientLink } from './client-link.ts';
import { type ClientMessage, readFields } from './client-message.ts';
import { ClientStreams, type ClientStreamsDeps } from './client-streams.ts';
import type { RoomVisitor } from './rooms/room-visitor.ts';
import { loggable, withoutSecrets } from './secrets.ts';

/** What is done with the access control's answer to a question. */
interface Answers {
  /** @param fields The fields as the back end left them */
  allowed(fields: Fields): void;
  /** @param info Why not, in words for the client */
  refused(info: string): void;
}

/** Lines of its own that one client may put into the server's log. */
const CLIENT_LINES_PER_SECOND = 10;
const MAX_LOG_LENGTH = 2000;
/** Questions of one client that the back end has not answered yet, but for those about streams and `connect`. */
const MAX_QUESTIONS = 64;
/** Wishes of a stream whose loss would not be noticed otherwise. */
const LIMITS = ['width', 'height', 'quality', 'bitrate', 'minBitrate', 'maxBitrate'] as const;
/** Pictures that one client may wait for. */
const MAX_PICTURES = 8;
const TOO_MANY_QUESTIONS = 'Too many requests wait for an answer';

export interface ClientSessionDeps extends ClientStreamsDeps {
  readonly snapshots?: Snapshots | undefined;
  /** What the client does in rooms, if its application has them. */
  readonly rooms?: RoomVisitor | undefined;
}

/** What one established client asks for, message by message. */
export class ClientSession {
  readonly streams: ClientStreams;
  readonly #link: ClientLink;
  readonly #access: ClientAccess;
  readonly #registry: StreamRegistry;
  readonly #logLimit = new RateLimiter(CLIENT_LINES_PER_SECOND);
  readonly #snapshots: Snapshots | undefined;
  readonly #rooms: RoomVisitor | undefined;
  readonly #records: boolean;
  readonly #relays: boolean;
  /** Aborted when the client is gone. */
  readonly #leaving = new AbortController();
  #questions = 0;
  #pictures = 0;
  #debugging = false;
  #closed = false;

  constructor(deps: ClientSessionDeps) {
    this.streams = new ClientStreams(deps);
    this.#link = deps.link;
    this.#access = deps.access;
    this.#registry = deps.streams;
    this.#snapshots = deps.snapshots;
    this.#rooms = deps.rooms;
    this.#records = deps.recorder !== undefined;
    this.#relays = deps.relays !== undefined;
  }

  /** Does what a message asks; gives what is wrong with it, if anything is. */
  receive({ name, body }: ClientMessage): string | undefined {
    if (this.#debugging) this.#note('client message', `${name} ${loggable(body)}`);
    switch (name) {
      case 'publishStream':
      case 'playStream':
        return this.#start(body, name === 'publishStream');
      case 'unPublishStream':
      case 'stopStream':
        this.streams.stop(readFields(StreamRequest, body), name === 'unPublishStream');
        return undefined;
      case 'sendStreamEvent':
        return this.#streamEvent(body);
      case 'availableStream':
        return this.#available(body);
      case 'snapshot':
        return this.#snapshot(body);
      case 'sendData':
        return this.#data(body);
      case 'pushLogs':
        return this.#logs(body);
      case 'submitBugReport':
        return this.#bugReport(body);
      case 'sessionDebug':
        return this.#debug(body);
      case 'webRTCMetricsClientDescription':
      case 'webRTCMetricsBatch':
        return undefined;
      default:
        return this.#call(name, body);
    }
  }

  /** Hands an object of the application to the client (`/data/send`). The back end is not asked: it comes from there. */
  sendData(operationId: string, payload: unknown): void {
    this.#link.send('OnDataEvent', this.#access.forClient('OnDataEvent', { operationId, payload }));
  }

  /**
   * Ends all that the client published and played, then tells the access control that it is gone. It stays in its rooms
   * while its session can be resumed.
   */
  close(reason: string, resumable: boolean): void {
    this.#closed = true;
    this.#leaving.abort();
    this.streams.close(() => this.#access.end(reason));
    this.#rooms?.close(resumable);
  }

  #start(body: object, published: boolean): string | undefined {
    const request = readFields(StreamRequest, body);
    for (const field of LIMITS) {
      if (field in body && !(field in request))
        this.#link.log.debug({ field }, 'field of a stream can not be read: left out');
    }
    this.streams.start(request, published);
    if (!published) return undefined;
    // The stream is there all the same: said as a warning, which ends nothing (§6.4).
    if (request.record === true && !this.#records) return 'Recording is not available';
    if (isGiven(request.rtmpUrl) && !this.#relays) return 'Republishing to rtmpUrl is not available';
    return undefined;
  }

  #streamEvent(body: object): string | undefined {
    const { mediaSessionId, type, payload } = readFields(StreamEventRequest, body);
    if (mediaSessionId === undefined) return STREAM_INFO.idMissing;
    if (type === undefined) return 'Unknown type of stream event';
    const signal = payload === undefined || payload === null ? { type } : { type, payload };
    if (!this.streams.signal(mediaSessionId, signal)) return 'Stream is not being published';
    this.#access.tell('StreamEvent', { mediaSessionId, ...signal });
    return undefined;
  }

  /** The client compares with the text "true" (§7.5). */
  #available(body: object): undefined {
    const { mediaSessionId, name } = readFields(NamedStreamRequest, body);
    const there = name !== undefined && this.#registry.get(name)?.live === true;
    const answer = there ? { status: 'true' } : { status: 'false', info: STREAM_INFO.notFound };
    this.#link.send('availableStream', { id: mediaSessionId ?? '', ...answer });
  }

  #snapshot(body: object): undefined {
    const { mediaSessionId = '', name } = readFields(NamedStreamRequest, body);
    const refused = (info: string): void =>
      this.#link.send('notifyStreamEvent', { mediaSessionId, type: 'snapshotFailed', payload: { info } });
    this.#ask('snapshot', readFields(NamedStreamRequest, body), {
      allowed: () => {
        if (name === undefined || this.#registry.get(name)?.live !== true) return refused(STREAM_INFO.notFound);
        if (this.#snapshots === undefined) return refused('Snapshots are not available');
        if (this.#pictures >= MAX_PICTURES) return refused(TOO_MANY_QUESTIONS);
        this.#pictures++;
        // The SDK shows whatever comes as PNG (§7.4).
        void this.#snapshots
          .take({ streamName: name, format: 'png', which: 'newest', signal: this.#leaving.signal })
          .then(
            (picture) => {
              const payload = { snapshot: Buffer.from(picture).toString('base64') };
              if (!this.#closed)
                this.#link.send('notifyStreamEvent', { mediaSessionId, type: 'snapshotCompleted', payload });
            },
            (error: unknown) => {
              if (!this.#closed) refused(error instanceof MediaServerError ? error.message : STREAM_INFO.error);
            },
          )
          .finally(() => this.#pictures--);
      },
      refused,
    });
  }

  #data(body: object): string | undefined {
    const { operationId, payload } = readFields(DataRequest, body);
    if (operationId === undefined) return 'operationId is missing';
    const answer = (result: { readonly status: 'ACCEPTED' | 'FAILED'; readonly info?: string }): void => {
      const visible = this.#access.forClient('DataStatusEvent', { ...result });
      this.#access.tell('DataStatusEvent', { operationId, ...result });
      // Without these two the SDK's promise would never end.
      this.#link.send('DataStatusEvent', { ...visible, operationId, status: result.status });
    };
    const refused = (info: string): void => answer({ status: 'FAILED', info });
    const allowed = (left: Fields): void => {
      if (this.#rooms === undefined) return answer({ status: 'ACCEPTED' });
      this.#rooms.receive(left['payload'], (info) =>
        info === undefined ? answer({ status: 'ACCEPTED' }) : refused(info),
      );
    };
    this.#ask('OnDataEvent', { operationId, payload }, { allowed, refused });
    return undefined;
  }

  #logs(body: object): undefined {
    const { logs } = readFields(LogRequest, body);
    if (logs === undefined) return;
    this.#ask('pushLogs', { logs }, { allowed: () => this.#note('client log', logs), refused: () => {} });
  }

  /** The back end keeps bug reports; here they only leave a line. */
  #bugReport(body: object): undefined {
    this.#ask('submitBugReport', body as Fields, {
      allowed: () => {
        this.#note('client reports a bug', loggable(body));
        this.#access.tell('BugReportStatusEvent', { status: 'ACCEPTED' });
      },
      refused: (info) => this.#access.tell('BugReportStatusEvent', { status: 'FAILED', info }),
    });
  }

  /** While it is on, what the client says goes to the server's log. */
  #debug(body: object): string | undefined {
    const { command } = readFields(DebugRequest, body);
    if (command === undefined) return 'command must be start or stop';
    this.#ask(
      'sessionDebug',
      { command },
      {
        allowed: () => {
          this.#debugging = command === 'start';
          const status = this.#debugging ? 'STARTED' : 'STOPPED';
          this.#access.tell('SessionDebugStatusEvent', { status });
          this.#link.send('notifySessionDebugEvent', {
            ...this.#access.forClient('SessionDebugStatusEvent', {}),
            status,
          });
        },
        refused: (info) => this.#link.send('fail', { apiMethod: 'SessionDebugStatusEvent', status: 'FAILED', info }),
      },
    );
    return undefined;
  }

  /** Calls are refused as busy lines are: the client's call object must come to an end (§11.2, §11.3). */
  #call(name: string, body: object): string | undefined {
    const { callId } = readFields(CallRequest, body);
    switch (name) {
      case 'call':
      case 'answer':
        this.#link.send('finish', { callId: callId ?? '', status: 'FAILED', info: 'SIP calls are not available' });
        return undefined;
      case 'hangup':
        this.#link.send('finish', { callId: callId ?? '', status: 'FINISH' });
        return undefined;
      case 'hold':
      case 'unhold':
      case 'transfer':
      case 'sendDtmf':
        return 'There is no such call';
      default:
        return 'Unknown message';
    }
  }

  /** Asks the access control. When too much waits already, the answer is no; when the client has gone, there is none. */
  #ask(hook: DirectHook, fields: Fields, { allowed, refused }: Answers): void {
    if (this.#questions >= MAX_QUESTIONS) return refused(TOO_MANY_QUESTIONS);
    this.#questions++;
    const answered = (act: () => void): void => {
      this.#questions--;
      if (!this.#closed) act();
    };
    this.#access
      .ask(hook, fields)
      .then(
        (left) => answered(() => allowed(left)),
        (error: unknown) => {
          const info = infoOfError(error);
          if (info === STREAM_INFO.error) this.#link.fault(error, `${hook} could not be asked`);
          answered(() => refused(info));
        },
      )
      .catch((error: unknown) => this.#link.fault(error, `answer to ${hook} failed`));
  }

  /** Puts a client's words into the log: cut, without its secrets, on one line, and not too many of them. */
  #note(what: string, text: string): undefined {
    if (text === '') return;
    const suppressed = this.#logLimit.take();
    if (suppressed < 0) return;
    const line = withoutSecrets(text.slice(0, MAX_LOG_LENGTH))
      .replace(/[\p{Cc}\u2028\u2029]+/gu, ' ')
      .trim();
    this.#link.log.info({ text: line, suppressed }, what);
  }
}

function isGiven(text: string | undefined): boolean {
  return text !== undefined && text !== '';
}

import {
  CallRequest,
  type ConnectionRequest,
  DataRequest,
  DebugRequest,
  LogRequest,
  NamedStreamRequest,
  STREAM_INFO,
  StreamEventRequest,
  StreamRequest,
} from '@sluice/contract';
import type { Log, StreamRegistry } from '../../core/index.ts';
import { RateLimiter } from '../../io/index.ts';
import type { ClientLink } from './client-link.ts';
import { type ClientMessage, readFields } from './client-message.ts';
import { ClientStreams, type ClientStreamsDeps } from './client-streams.ts';

export interface ClientSessionDeps extends ClientStreamsDeps {
  readonly streams: StreamRegistry;
  readonly log: Log;
}

/** Lines of its own that one client may put into the server's log. */
const CLIENT_LINES_PER_SECOND = 10;
const MAX_LOG_LENGTH = 2000;
/** WCS's application with rooms (§12). */
const ROOM_APP = 'roomApp';

/** What one established client asks for, message by message. */
export class ClientSession {
  readonly streams: ClientStreams;
  readonly #link: ClientLink;
  readonly #registry: StreamRegistry;
  readonly #log: Log;
  readonly #logLimit = new RateLimiter(CLIENT_LINES_PER_SECOND);
  #debugging = false;

  constructor(deps: ClientSessionDeps) {
    this.streams = new ClientStreams(deps);
    this.#link = deps.link;
    this.#registry = deps.streams;
    this.#log = deps.log;
  }

  /** Does what a message asks; gives what is wrong with it, if anything is. */
  receive({ name, body }: ClientMessage): string | undefined {
    if (this.#debugging) this.#note('client message', `${name} ${JSON.stringify(body)}`);
    switch (name) {
      case 'publishStream':
      case 'playStream':
        return this.#start(readFields(StreamRequest, body), name === 'publishStream');
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
        return this.#note('client log', readFields(LogRequest, body).logs ?? '');
      case 'submitBugReport':
        return this.#note('client reports a bug', JSON.stringify(body));
      case 'sessionDebug':
        return this.#debug(body);
      case 'webRTCMetricsClientDescription':
      case 'webRTCMetricsBatch':
        return undefined;
      default:
        return this.#call(name, body);
    }
  }

  /** Ends all that the client published and played. */
  close(): void {
    this.streams.close();
  }

  #start(request: Partial<StreamRequest>, published: boolean): string | undefined {
    this.streams.start(request, published);
    if (!published) return undefined;
    // The stream is there all the same: said as a warning, which ends nothing (§6.4).
    if (request.record === true) return 'Recording is not available';
    if (request.rtmpUrl !== undefined && request.rtmpUrl !== '') return 'Republishing to rtmpUrl is not available';
    return undefined;
  }

  #streamEvent(body: object): string | undefined {
    const { mediaSessionId, type, payload } = readFields(StreamEventRequest, body);
    if (mediaSessionId === undefined) return STREAM_INFO.idMissing;
    if (type === undefined) return 'Unknown type of stream event';
    const signal = payload === undefined || payload === null ? { type } : { type, payload };
    return this.streams.signal(mediaSessionId, signal) ? undefined : 'Stream is not being published';
  }

  /** The client compares with the text "true" (§7.5). */
  #available(body: object): undefined {
    const { mediaSessionId, name } = readFields(NamedStreamRequest, body);
    const there = name !== undefined && this.#registry.get(name)?.live === true;
    const answer = there ? { status: 'true' } : { status: 'false', info: STREAM_INFO.notFound };
    this.#link.send('availableStream', { id: mediaSessionId ?? '', ...answer });
  }

  #snapshot(body: object): undefined {
    const { mediaSessionId, name } = readFields(NamedStreamRequest, body);
    const there = name !== undefined && this.#registry.get(name)?.live === true;
    const info = there ? 'Snapshots are not available' : STREAM_INFO.notFound;
    this.#link.send('notifyStreamEvent', {
      mediaSessionId: mediaSessionId ?? '',
      type: 'snapshotFailed',
      payload: { info },
    });
  }

  #data(body: object): string | undefined {
    const { operationId } = readFields(DataRequest, body);
    if (operationId === undefined) return 'operationId is missing';
    const noRooms = this.#link.appKey === ROOM_APP;
    const answer = noRooms ? { status: 'FAILED', info: 'Rooms are not available' } : { status: 'ACCEPTED' };
    this.#link.send('DataStatusEvent', { operationId, ...answer });
    return undefined;
  }

  /** While it is on, what the client says goes to the server's log. */
  #debug(body: object): string | undefined {
    const { command } = readFields(DebugRequest, body);
    if (command === undefined) return 'command must be start or stop';
    this.#debugging = command === 'start';
    this.#link.send('notifySessionDebugEvent', { status: this.#debugging ? 'STARTED' : 'STOPPED' });
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

  /** Puts a client's words into the log: cut, on one line, and not too many of them. */
  #note(what: string, text: string): undefined {
    if (text === '') return;
    const suppressed = this.#logLimit.take();
    if (suppressed < 0) return;
    const line = text
      .slice(0, MAX_LOG_LENGTH)
      .replace(/[\p{Cc}\u2028\u2029]+/gu, ' ')
      .trim();
    this.#log.info({ text: line, suppressed }, what);
  }
}

/** What the answer to `connection` has of the client's own object: all that it may see again (§2.3). */
export function echoOf(connection: Partial<ConnectionRequest>): Partial<ConnectionRequest> {
  const { sipPassword: _secret, ...echo } = connection;
  return echo;
}

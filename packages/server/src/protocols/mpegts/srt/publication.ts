import {
  ENDING_INFO,
  infoOfError,
  type MediaSession,
  type PublicationToRecord,
  type Publisher,
  publisherFacts,
  type SessionDescription,
  type SessionFacts,
  type SrtConnection,
  type SrtEndCode,
  type Stream,
} from '../../../core/index.ts';
import { TsToStream } from '../to-stream.ts';
import type { SrtGuest } from './flow.ts';
import type { Ending, SrtPeer } from './peer.ts';
import type { SrtContext } from './server.ts';

interface Publishing {
  readonly stream: Stream;
  readonly input: TsToStream;
  readonly registration: Disposable;
}

/** What one SRT caller publishes. */
export class SrtPublication implements SrtGuest, MediaSession, Publisher {
  readonly sessionId: string;
  readonly mediaSessionId: string;
  readonly recording: PublicationToRecord;
  readonly #peer: SrtPeer;
  readonly #context: SrtContext;
  #connection: SrtConnection | undefined;
  #publishing: Publishing | undefined;
  #heardMs = performance.now();
  #over = false;

  constructor(peer: SrtPeer, context: SrtContext) {
    this.#peer = peer;
    this.#context = context;
    this.sessionId = peer.sessionId;
    this.mediaSessionId = peer.mediaSessionId;
    const { access } = peer;
    this.recording = {
      ...{ mediaSessionId: peer.mediaSessionId, login: peer.login, appKey: peer.appKey },
      wanted: access?.fields['record'] === true,
      onEvent: (event) => access?.recorded(event),
    };
    peer.onClose = (reason) => this.close(reason);
  }

  enter(connection: SrtConnection): void {
    this.#connection = connection;
    if (this.#over) connection.close();
  }

  onConnected(): void {
    if (this.#over) return;
    const { deps, options } = this.#context;
    try {
      const stream = deps.streams.publish(this.#peer.streamName, this);
      const { maxTimestampDiffS } = options;
      const input = new TsToStream(stream, {
        ...{ counters: deps.counters, maxTimestampDiffS },
        onNote: (note) => deps.log.info({ stream: stream.name, note }, 'SRT publisher'),
      });
      this.#publishing = { stream, input, registration: deps.sessions.add(this) };
    } catch (error) {
      return this.#end('the name was taken meanwhile', { status: 'FAILED', info: infoOfError(error) });
    }
    this.#heardMs = performance.now();
    this.#peer.register();
    this.#context.opened(this);
    this.#peer.access?.active(this);
  }

  onData(bytes: Uint8Array): void {
    if (this.#publishing === undefined || this.#over) return;
    this.#heardMs = performance.now();
    this.#peer.bytesIn += bytes.length;
    this.#publishing.input.push(bytes);
  }

  onWritable(): void {}

  onClosed(reason: string, code: SrtEndCode): void {
    this.#end(reason, this.#publishing === undefined || code === 'failed' ? failed(reason) : LEFT);
  }

  /** Called about once a second. */
  check(nowMs: number): void {
    const { publishTimeoutMs } = this.#context.options;
    if (nowMs - this.#heardMs <= publishTimeoutMs) return;
    const reason = `nothing has come for ${publishTimeoutMs} ms`;
    this.#end(reason, failed(reason));
  }

  close(reason: string): void {
    this.#end(reason, { status: 'UNPUBLISHED', info: reason });
  }

  describe(): SessionDescription {
    const counts = this.#publishing?.input.counts;
    return {
      ...this.#peer.describeSession(),
      mediaType: 'publish',
      status: this.#over ? 'STOPPED' : 'PUBLISHING',
      bytesIn: this.#peer.bytesIn,
      bytesOut: 0,
      packets: counts?.published ?? 0,
      queuedBytes: 0,
      drops: { broken: (counts?.broken ?? 0) + (counts?.brokenUnits ?? 0) },
    };
  }

  explain(): SessionFacts {
    return { media: this.#publishing === undefined ? [] : publisherFacts(this.#publishing.stream) };
  }

  #end(reason: string, ending: Ending): void {
    if (this.#over) return;
    this.#over = true;
    const publishing = this.#publishing;
    if (publishing !== undefined) {
      publishing.input.end();
      this.#context.deps.streams.unpublish(publishing.stream, this, reason);
      publishing.registration[Symbol.dispose]();
      this.#context.closed(this, reason);
    }
    this.#connection?.close();
    this.#peer.end(ending);
  }
}

const LEFT: Ending = { status: 'UNPUBLISHED', info: ENDING_INFO.sessionDisconnect };

function failed(info: string): Ending {
  return { status: 'FAILED', info };
}

import {
  ENDING_INFO,
  FanOutViewer,
  type MediaSession,
  playerEnd,
  type SessionDescription,
  type SessionFacts,
  type SrtConnection,
  type Stream,
  viewerFacts,
} from '../../../core/index.ts';
import type { SrtGuest } from './flow.ts';
import type { Ending, SrtPeer } from './peer.ts';
import type { SrtContext, TsPlace } from './server.ts';
import { SrtSink } from './srt-sink.ts';

interface Playing {
  readonly place: TsPlace;
  readonly viewer: FanOutViewer;
  readonly leftOutBefore: number;
}

/** What one SRT caller plays. */
export class SrtPlayback implements SrtGuest, MediaSession {
  readonly mediaSessionId: string;
  readonly #peer: SrtPeer;
  readonly #stream: Stream;
  readonly #context: SrtContext;
  #connection: SrtConnection | undefined;
  #sink: SrtSink | undefined;
  #registration: Disposable | undefined;
  #playing: Playing | undefined;
  #waitsSinceMs = 0;
  #tracksAtMs: number | undefined;
  #over = false;

  constructor(peer: SrtPeer, stream: Stream, context: SrtContext) {
    this.#peer = peer;
    this.#stream = stream;
    this.#context = context;
    this.mediaSessionId = peer.mediaSessionId;
    peer.onClose = (reason) => this.close(reason);
  }

  enter(connection: SrtConnection): void {
    this.#connection = connection;
    if (this.#over) connection.close();
  }

  onConnected(): void {
    if (this.#over || this.#connection === undefined) return;
    this.#sink = new SrtSink(this.#connection, this.#stream);
    this.#registration = this.#context.deps.sessions.add(this);
    this.#peer.register();
    this.#context.opened(this);
    this.#peer.access?.active(this);
    this.#waitsSinceMs = performance.now();
    this.poll(this.#waitsSinceMs);
  }

  onData(): void {}

  onWritable(): void {
    this.#sink?.drained();
  }

  onClosed(reason: string): void {
    const info = this.#sink === undefined ? reason : ENDING_INFO.sessionDisconnect;
    this.#end(reason, { status: this.#sink === undefined ? 'FAILED' : 'STOPPED', info });
  }

  /** Called on every tick. */
  poll(nowMs: number): void {
    this.#sink?.tick(nowMs);
    // It waits for tracks to begin with.
    if (this.#playing !== undefined || this.#over || this.#sink === undefined) return;
    const stream = this.#stream;
    if (stream.ended) return this.#streamEnded(ENDING_INFO.publisherStop);
    const { video, audio } = stream.state;
    if (video !== undefined || audio !== undefined) this.#tracksAtMs ??= nowMs;
    const { trackWaitMs, mediaWaitMs } = this.#context.options;
    if (this.#tracksAtMs === undefined) {
      if (nowMs - this.#waitsSinceMs > mediaWaitMs)
        this.#end('no picture and no sound came', { status: 'FAILED', info: ENDING_INFO.notFound });
      return;
    }
    const complete = stream.publisher?.tracksComplete === true || (video !== undefined && audio !== undefined);
    const waitedMs = Math.max(nowMs - this.#tracksAtMs, keptMs(stream));
    if (complete || waitedMs >= trackWaitMs) this.#start(this.#sink);
  }

  /** Called about once a second. */
  check(nowMs: number): void {
    if (this.#playing?.viewer.isStalled(nowMs) !== true) return;
    const reason = `the player has taken nothing for ${this.#context.options.stallTimeoutMs} ms`;
    this.#end(reason, { status: 'FAILED', info: reason });
  }

  close(reason: string): void {
    this.#end(reason, { status: 'STOPPED', info: reason });
  }

  describe(): SessionDescription {
    const playing = this.#playing;
    const leftOut = playing === undefined ? 0 : playing.place.fanOut.leftOut - playing.leftOutBefore;
    return {
      ...this.#peer.describeSession(),
      mediaType: 'play',
      status: this.#over ? 'STOPPED' : playing === undefined ? 'PENDING' : 'PLAYING',
      bytesIn: 0,
      bytesOut: playing?.viewer.bytesSent ?? 0,
      packets: playing?.viewer.packetsSent ?? 0,
      queuedBytes: this.#connection?.queuedBytes ?? 0,
      drops: { slow_viewer: playing?.viewer.dropped ?? 0, not_carried: leftOut },
    };
  }

  explain(): SessionFacts {
    if (this.#playing === undefined) return { media: [] };
    const { place, viewer } = this.#playing;
    const queuedBytes = this.#connection?.queuedBytes ?? 0;
    const secure = this.#context.options.passphrase !== '';
    const { media } = viewerFacts({ ...place, viewer, queuedBytes, secure }, this.#context.deps.adaptations);
    return { media };
  }

  #start(sink: SrtSink): void {
    const place = this.#context.placeFor(this.#stream);
    if (place === undefined)
      return this.#end('nothing of the stream can be sent', {
        status: 'FAILED',
        info: ENDING_INFO.noCommonCodecs,
      });
    const { options } = this.#context;
    const { fanOut } = place;
    const viewer = new FanOutViewer(sink, fanOut, {
      maxWriteBytes: options.writeBytes,
      stallTimeoutMs: options.stallTimeoutMs,
      onEnded: (reason) => this.#streamEnded(reason),
    });
    this.#playing = { place, viewer, leftOutBefore: fanOut.leftOut };
    fanOut.stream.addViewers(1);
    viewer.pump();
    this.#stream.viewerReady();
  }

  #streamEnded(reason: string): void {
    const { failed, info } = playerEnd(reason);
    this.#end(reason, { status: failed ? 'FAILED' : 'STOPPED', info });
  }

  #end(reason: string, ending: Ending): void {
    if (this.#over) return;
    this.#over = true;
    const playing = this.#playing;
    if (playing !== undefined) {
      this.#peer.bytesOut = playing.viewer.bytesSent;
      playing.viewer.close();
      playing.place.fanOut.stream.addViewers(-1);
      this.#context.viewerLeft(playing.place);
    }
    this.#sink?.destroy();
    if (this.#registration !== undefined) {
      this.#registration[Symbol.dispose]();
      this.#context.closed(this, reason);
    }
    this.#connection?.close();
    this.#peer.end(ending);
  }
}

/** How much of the stream is there already. */
function keptMs(stream: Stream): number {
  const oldest = stream.log.at(stream.log.start);
  return oldest === undefined ? 0 : (stream.lastDtsUs - oldest.dtsUs) / 1000;
}

import type { Socket } from 'node:net';
import {
  FanOutViewer,
  type MediaSession,
  type SessionDescription,
  type SessionFacts,
  type Stream,
  viewerFacts,
} from '../../core/index.ts';
import { socketSink } from '../../io/index.ts';
import type { AdmittedRequest, Outcome, RtmpPeer } from './peer.ts';
import type { RtmpContext, RtmpPlace } from './server.ts';

export interface RtmpPlaybackEvents {
  /** The stream is over. */
  ended(reason: string): void;
  /** Somebody else than the peer wants the playback gone. */
  closed(reason: string): void;
}

/** What one RTMP connection plays. */
export class RtmpPlayback implements MediaSession {
  readonly mediaSessionId: string;
  readonly name: string;
  /** The name that the peer knows. */
  readonly askedName: string;
  readonly viewer: FanOutViewer;
  readonly #peer: RtmpPeer;
  readonly #request: AdmittedRequest;
  readonly #context: RtmpContext;
  readonly #socket: Socket;
  readonly #events: RtmpPlaybackEvents;
  readonly #place: RtmpPlace;
  readonly #stream: Stream;
  readonly #leftOutBefore: number;
  readonly #createdAt = Date.now();
  readonly #registration: Disposable;
  #ended = false;

  constructor(
    viewer: { readonly peer: RtmpPeer; readonly socket: Socket; readonly place: RtmpPlace },
    request: AdmittedRequest,
    env: { readonly context: RtmpContext; readonly events: RtmpPlaybackEvents },
  ) {
    const { fanOut } = viewer.place;
    this.#peer = viewer.peer;
    this.#socket = viewer.socket;
    this.#place = viewer.place;
    this.#stream = fanOut.stream;
    this.#request = request;
    this.#context = env.context;
    this.#events = env.events;
    this.name = request.name;
    this.askedName = request.askedName;
    this.mediaSessionId = request.mediaSessionId;
    const { viewerWriteBytes, viewerStallTimeoutMs } = env.context.options;
    this.#leftOutBefore = fanOut.leftOut;
    this.viewer = new FanOutViewer(socketSink(viewer.socket), fanOut, {
      maxWriteBytes: viewerWriteBytes,
      stallTimeoutMs: viewerStallTimeoutMs,
      onEnded: (reason) => env.events.ended(reason),
    });
    this.#stream.addViewers(1);
    this.#registration = env.context.sessions.add(this);
    request.access.active(this);
  }

  describe(): SessionDescription {
    return {
      sessionId: this.#peer.sessionId,
      mediaSessionId: this.mediaSessionId,
      appKey: this.#peer.appKey,
      protocol: 'rtmp',
      mediaProvider: 'Flash',
      mediaType: 'play',
      streamName: this.name,
      status: this.#ended ? 'STOPPED' : 'PLAYING',
      createDate: this.#createdAt,
      transport: 'TCP',
      remoteAddress: this.#peer.remoteAddress,
      bytesIn: 0,
      bytesOut: this.viewer.bytesSent,
      packets: this.viewer.packetsSent,
      queuedBytes: this.#socket.writableLength,
      drops: { slow_viewer: this.viewer.dropped, not_carried: this.#place.fanOut.leftOut - this.#leftOutBefore },
      custom: this.#request.custom,
    };
  }

  explain(): SessionFacts {
    const { viewer } = this;
    const socket = { queuedBytes: this.#socket.writableLength, secure: this.#peer.secure };
    return viewerFacts({ ...this.#place, viewer, ...socket }, this.#context.adaptations);
  }

  close(reason: string): void {
    this.#events.closed(reason);
  }

  /** The peer itself wants to end it. */
  stopping(): void {
    this.#request.access.stopping();
  }

  /** Gives the viewer's place back. Called by the connection. Idempotent. */
  end(_reason: string, outcome: Outcome): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#context.counters.count('rtmp_dropped_packets', this.viewer.dropped);
    this.viewer.close();
    this.#stream.addViewers(-1);
    this.#context.viewerLeft(this.#place);
    this.#registration[Symbol.dispose]();
    this.#request.access.ended(outcome.failed ? 'FAILED' : 'STOPPED', outcome.info);
  }
}

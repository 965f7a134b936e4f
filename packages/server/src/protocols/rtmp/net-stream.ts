import { randomUUID } from 'node:crypto';
import type { Socket } from 'node:net';
import {
  type ClientAccess,
  ENDING_INFO,
  infoOfError,
  type Log,
  MediaServerError,
  playerEnd,
  type Stream,
  type StreamAccess,
} from '../../core/index.ts';
import { bytesReadFrom } from '../../io/index.ts';
import type { Admission } from './admission.ts';
import { requestFacts } from './introduction.ts';
import { PLAY_STREAM_ID } from './packager.ts';
import type { AdmittedRequest, NamedRequest, Outcome, RtmpPeer } from './peer.ts';
import { RtmpPlayback } from './playback.ts';
import { RtmpPublication } from './publication.ts';
import { sampleAccessMessage, statusMessage } from './replies.ts';
import type { RtmpContext, RtmpWish } from './server.ts';
import { USER_CONTROL, userControl } from './wire/chunk-writer.ts';

const STOPPED: Outcome = { failed: false, info: ENDING_INFO.stoppedByUser };

/** The connection that a {@link NetStream} is on. */
export interface NetConnection {
  readonly peer: RtmpPeer;
  readonly socket: Socket;
  readonly context: RtmpContext;
  readonly admission: Admission;
  log(): Log;
  closed(): boolean;
  send(bytes: Uint8Array): void;
  /** Counts and logs that the peer was told no. */
  noteRefusal(fields: object, reason: string): void;
  /** Tells the peer why, then closes. */
  terminate(reason: string): void;
  close(reason: string, outcome: Outcome): void;
  /** Closes for what should not have happened. */
  failed(error: unknown): void;
}

/** The one stream of a connection (Adobe RTMP 1.0 §7.2.2): what it publishes, or plays, or waits for. */
export class NetStream {
  readonly #connection: NetConnection;
  readonly #context: RtmpContext;
  #role: RtmpPublication | RtmpPlayback | undefined;
  /** Set while a player waits for its stream. */
  #wait: { readonly search: AbortController; readonly access: StreamAccess } | undefined;
  /** Of playbacks that are over: their last write may still be waiting. */
  #largestWrite = 0;

  constructor(connection: NetConnection) {
    this.#connection = connection;
    this.#context = connection.context;
  }

  get publication(): RtmpPublication | undefined {
    return this.#role instanceof RtmpPublication ? this.#role : undefined;
  }

  get playback(): RtmpPlayback | undefined {
    return this.#role instanceof RtmpPlayback ? this.#role : undefined;
  }

  /** Name in the hub of what is published or played. */
  get name(): string | undefined {
    return this.#role?.name;
  }

  /** Bytes of the largest write to the player: so much may wait although it keeps up. */
  get largestWrite(): number {
    return Math.max(this.#largestWrite, this.playback?.viewer.largestWrite ?? 0);
  }

  /** Publishes once that is admitted. */
  publish(request: NamedRequest, client: ClientAccess): void {
    if (this.#role !== undefined || this.#wait !== undefined)
      return this.#refuse('NetStream.Publish.Failed', 'this connection is already in use', request);
    const mediaSessionId = randomUUID();
    const facts = requestFacts(request, mediaSessionId, { record: this.#context.options.recordPublished });
    this.#connection.admission.admit(
      { kind: 'publish', client, facts },
      {
        yes: (access) => this.#startPublication(admitted(request, mediaSessionId, access)),
        // OBS ends at once at this code, and not at `Failed`; FFmpeg shows the text of any.
        no: (reason) => this.#refuse('NetStream.Publish.Denied', reason, request),
      },
    );
  }

  /** Plays a stream once that is admitted, in place of the one that is being played, if any (NetStream.play). */
  play(request: NamedRequest, { client, wish }: { readonly client: ClientAccess; readonly wish: RtmpWish }): void {
    if (this.publication !== undefined)
      return this.#refuse('NetStream.Play.Failed', 'this connection is already in use', request);
    this.stop();
    if (!this.#context.options.playbackEnabled)
      return this.#refuse('NetStream.Play.Failed', 'RTMP playback is turned off (rtmp_playback_enabled)', request);
    // `<stream>/<client>:<port>/<server>:<port>` (functions-1 §1.1).
    const mediaSessionId = `${request.name}${this.#connection.peer.sessionId}`;
    const { state } = this.#context.streams.get(request.name) ?? {};
    const facts = requestFacts(request, mediaSessionId, { state });
    this.#connection.admission.admit(
      { kind: 'play', client, facts },
      {
        yes: (access) => this.#findStream(admitted(request, mediaSessionId, access), wish),
        no: (reason) => this.#refuse('NetStream.Play.Failed', reason, request),
      },
    );
  }

  /** Pauses the playback or goes on with it; nothing without one. */
  pause(paused: boolean): void {
    const { playback } = this;
    if (playback === undefined) return;
    playback.viewer.setPaused(paused);
    this.#status('status', paused ? 'NetStream.Pause.Notify' : 'NetStream.Unpause.Notify', playback.askedName);
  }

  /** The peer ends its stream in good order; the connection may then publish or play again. */
  stop(): void {
    this.#wait?.access.stopping();
    this.#endWait(STOPPED);
    const role = this.#role;
    if (role === undefined) return;
    role.stopping();
    this.#largestWrite = this.largestWrite;
    this.#role = undefined;
    role.end('publisher stopped', STOPPED);
    if (role instanceof RtmpPublication)
      this.#status('status', 'NetStream.Unpublish.Success', `${role.askedName} is now unpublished.`);
    this.#logOf(role).info({}, `${kindOf(role)} stopped`);
  }

  /** The connection is gone, and with it its stream. */
  end(reason: string, outcome: Outcome): void {
    this.#endWait(outcome);
    const role = this.#role;
    if (role === undefined) return;
    role.end(reason, outcome);
    this.#logOf(role).info({ reason, bytesIn: bytesReadFrom(this.#connection.socket) }, `${kindOf(role)} ended`);
  }

  #startPublication(request: AdmittedRequest): void {
    const connection = this.#connection;
    let publication: RtmpPublication;
    try {
      publication = new RtmpPublication(connection.peer, request, this.#context, (reason) =>
        connection.terminate(reason),
      );
    } catch (error) {
      request.access.ended('FAILED', infoOfError(error));
      if (!(error instanceof MediaServerError)) throw error;
      const code = error.code === 'STREAM_NAME_BUSY' ? 'NetStream.Publish.BadName' : 'NetStream.Publish.Failed';
      return this.#refuse(code, reasonFor(error, request), request);
    }
    this.#begin(publication);
    this.#connection.send(userControl(USER_CONTROL.streamBegin, PLAY_STREAM_ID));
    this.#status('status', 'NetStream.Publish.Start', `${request.askedName} is now published.`);
  }

  #findStream(request: AdmittedRequest, wish: RtmpWish): void {
    const wait = { search: new AbortController(), access: request.access };
    this.#wait = wait;
    void this.#context
      .findStream(request, wait.search.signal)
      .then((stream) => {
        if (this.#wait === wait) this.#startPlayback(request, stream, wish);
      })
      .catch((error: unknown) => {
        if (!(error instanceof MediaServerError)) return this.#connection.failed(error);
        if (this.#wait !== wait) return;
        this.#endWait({ failed: true, info: infoOfError(error) });
        const code = error.code === 'FILE_NOT_FOUND' ? 'NetStream.Play.StreamNotFound' : 'NetStream.Play.Failed';
        this.#refuse(code, reasonFor(error, request), request);
      });
  }

  #startPlayback(request: AdmittedRequest, stream: Stream | undefined, wish: RtmpWish): void {
    const { peer, socket } = this.#connection;
    const name = request.askedName;
    if (stream === undefined || stream.ended) {
      this.#endWait({ failed: true, info: ENDING_INFO.notFound });
      return this.#refuse('NetStream.Play.StreamNotFound', `no stream "${name}"`, request);
    }
    this.#connection.send(userControl(USER_CONTROL.streamBegin, PLAY_STREAM_ID));
    this.#status('status', 'NetStream.Play.Reset', `playing and resetting ${name}.`);
    this.#status('status', 'NetStream.Play.Start', `started playing ${name}.`);
    this.#connection.send(sampleAccessMessage(this.#context.options.chunkSize));
    // A peer that does not read is closed by one of these.
    if (this.#connection.closed()) return;
    const place = this.#context.placeFor(stream, wish);
    const events = {
      ended: (reason: string) => this.#onStreamEnded(reason),
      closed: (reason: string) => this.#connection.terminate(reason),
    };
    const playback = new RtmpPlayback({ peer, socket, place }, request, { context: this.#context, events });
    this.#wait = undefined;
    this.#begin(playback);
    for (const text of place.leftOut) this.#logOf(playback).warn({}, text);
    playback.viewer.pump();
    stream.viewerReady();
  }

  #onStreamEnded(reason: string): void {
    const end = playerEnd(reason);
    if (end.failed) this.#status('error', 'NetStream.Play.Failed', reason);
    this.#status('status', 'NetStream.Play.UnpublishNotify', `${this.#role?.askedName} is now unpublished.`);
    this.#connection.send(userControl(USER_CONTROL.streamEof, PLAY_STREAM_ID));
    this.#status('status', 'NetStream.Play.Stop', reason);
    this.#connection.close(reason, end);
  }

  /** Ends the wait for a stream, if there is one. */
  #endWait({ failed, info }: Outcome): void {
    const wait = this.#wait;
    this.#wait = undefined;
    wait?.search.abort();
    wait?.access.ended(failed ? 'FAILED' : 'STOPPED', info);
  }

  #begin(role: RtmpPublication | RtmpPlayback): void {
    this.#role = role;
    this.#logOf(role).info({ mediaSessionId: role.mediaSessionId }, `${kindOf(role)} started`);
  }

  #refuse(code: string, description: string, { name }: Pick<NamedRequest, 'name'>): void {
    if (this.#connection.closed()) return;
    this.#connection.noteRefusal({ code, stream: name }, description);
    this.#status('error', code, description);
    if (this.#role === undefined) this.#connection.close(description, { failed: true, info: description });
  }

  #status(level: 'status' | 'error', code: string, description: string): void {
    this.#connection.send(statusMessage(this.#context.options.chunkSize, { level, code, description }));
  }

  #logOf(role: RtmpPublication | RtmpPlayback): Log {
    return this.#connection.log().child({ stream: role.name });
  }
}

function kindOf(role: RtmpPublication | RtmpPlayback): 'publish' | 'play' {
  return role instanceof RtmpPublication ? 'publish' : 'play';
}

function admitted(request: NamedRequest, mediaSessionId: string, access: StreamAccess): AdmittedRequest {
  const { name: askedName, custom, startUs } = request;
  return { mediaSessionId, name: access.name, askedName, startUs, custom, access };
}

/** What the peer is told: nothing of a name that the back end has chosen in place of its own. */
function reasonFor(error: MediaServerError, { name, askedName }: AdmittedRequest): string {
  return name === askedName ? error.message : infoOfError(error);
}

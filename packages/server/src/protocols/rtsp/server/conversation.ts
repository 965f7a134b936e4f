import { randomBytes } from 'node:crypto';
import { setTimeout } from 'node:timers/promises';
import { streamPayloadType } from '@sluice/media';
import { ENDING_INFO, findStream, MediaServerError, startUsOf } from '../../../core/index.ts';
import { parseAuthentications } from '../wire/authentication.ts';
import { sequenceOf } from '../wire/headers.ts';
import { parseSession, writeSession } from '../wire/playback-headers.ts';
import type { RtspRequest } from '../wire/reader.ts';
import { writeTransport } from '../wire/transport.ts';
import type { RtspContext } from './context.ts';
import { type RtspPeer, type RtspReply, refusal } from './peer.ts';
import { RtspPlayback } from './playback.ts';
import { type RtspOutcome, RtspPublication } from './publication.ts';
import { admitPublisher } from './publisher-admission.ts';
import { parseTarget, type RtspTarget } from './target.ts';
import { tracksKnown } from './tracks-known.ts';

const PUBLIC = 'OPTIONS, DESCRIBE, SETUP, PLAY, PAUSE, TEARDOWN, GET_PARAMETER, SET_PARAMETER, ANNOUNCE, RECORD';
/** The end of a publication goes another way than its media by UDP, of which the last may not have been read yet. */
const UDP_TAIL_MS = 100;
const OK: RtspReply = { status: 200 };
const NO_SESSION = refusal(454);
const WRONG_STATE = refusal(455);
const LEFT: RtspOutcome = { failed: false, info: ENDING_INFO.sessionDisconnect };

/** What one client asks for (RFC 2326 §10), one request after the other, and the session that comes of it. */
export class RtspConversation {
  readonly #peer: RtspPeer;
  readonly #context: RtspContext;
  readonly #search = new AbortController();
  /** Names the session to the client. */
  readonly #id = randomBytes(12).toString('hex');
  #playback: RtspPlayback | undefined;
  #publication: RtspPublication | undefined;
  #over = false;

  constructor(peer: RtspPeer, context: RtspContext) {
    this.#peer = peer;
    this.#context = context;
  }

  /** What the client watches or publishes, if anything. */
  get session(): RtspPlayback | RtspPublication | undefined {
    return this.#playback ?? this.#publication;
  }

  /** Bytes of media that the client has taken over the connection. */
  get takenBytes(): number {
    return this.#playback?.takenBytes ?? 0;
  }

  /** The answer to a request. Never rejects. */
  async answer(request: RtspRequest): Promise<RtspReply> {
    const early = this.#checkHeaders(request);
    if (early !== undefined) return early;
    try {
      const reply = await this.#dispatch(request);
      return this.#over ? { ...reply, after: undefined } : reply;
    } catch (error) {
      return this.#refusalFor(error);
    }
  }

  /** A packet that came over the connection. */
  interleaved(channel: number, payload: Uint8Array): void {
    if (this.#publication !== undefined) this.#publication.interleaved(channel, payload);
    else if (this.#playback?.started === true) this.#playback.rtcp(payload);
  }

  /** Called about once a second; tells why the session should end, or undefined. */
  check(nowMs: number): string | undefined {
    return this.session?.check(nowMs);
  }

  /** The connection is over. Idempotent. */
  end(reason: string, outcome: RtspOutcome): void {
    if (this.#over) return;
    this.#over = true;
    this.#search.abort();
    this.#endSession(reason, outcome);
  }

  #checkHeaders({ version, headers }: RtspRequest): RtspReply | undefined {
    if (version !== 'RTSP/1.0') return { ...refusal(505), close: true };
    if (sequenceOf(headers) === undefined) return refusal(400, 'a request needs a CSeq');
    // RFC 2326 §12.32; cameras' clients ask for a way back for sound so, and do without when they hear no.
    const required = headers.get('Require') ?? headers.get('Proxy-Require');
    if (required !== undefined) return { ...refusal(551), headers: { Unsupported: required } };
    const asked = parseSession(headers.get('Session') ?? '');
    const hasSession = this.#publication !== undefined || this.#playback?.isSetUp === true;
    return asked !== undefined && (asked.id !== this.#id || !hasSession) ? NO_SESSION : undefined;
  }

  async #dispatch(request: RtspRequest): Promise<RtspReply> {
    switch (request.method) {
      case 'OPTIONS':
        return { status: 200, headers: { Public: PUBLIC } };
      case 'DESCRIBE':
        return this.#describe(request);
      case 'ANNOUNCE':
        return this.#announce(request);
      case 'SETUP':
        return this.#setUp(request);
      case 'RECORD':
        return this.#record();
      case 'PLAY':
      case 'PAUSE':
      case 'TEARDOWN':
      case 'GET_PARAMETER':
      case 'SET_PARAMETER':
        return this.#control(request);
      default:
        return refusal(501);
    }
  }

  async #describe(request: RtspRequest): Promise<RtspReply> {
    const accepted = request.headers.get('Accept');
    if (accepted !== undefined && !/sdp|\*/i.test(accepted)) return refusal(406, 'streams are described by SDP');
    if (this.#publication !== undefined || this.#playback?.isSetUp === true) return WRONG_STATE;
    const prepared = await this.#prepare(request);
    if ('status' in prepared) return prepared;
    const { address, url } = prepared.target;
    // With the slash at the end of the path all clients find the tracks, whether or not they join addresses by the book.
    const base = `${address}/${url.slice(address.length)}`;
    return {
      status: 200,
      headers: { 'Content-Type': 'application/sdp', 'Content-Base': base },
      body: prepared.description(),
    };
  }

  async #setUp(request: RtspRequest): Promise<RtspReply> {
    if (this.#publication !== undefined) return this.#setUpRecording(request, this.#publication);
    if (this.#playback?.started === true) return WRONG_STATE;
    const known = this.#playback;
    const asked = parseTarget(request.uri);
    const isKnown = known !== undefined && asked?.streamName === known.target.streamName;
    if (known?.isSetUp === true && !isKnown) return refusal(459, 'a session has one stream');
    const prepared = isKnown ? ((await this.#ask(request, known)) ?? known) : await this.#prepare(request);
    if ('status' in prepared) return prepared;
    const index = asked?.track ?? 0;
    if (prepared.tracks[index] === undefined) return refusal(404, `the stream has no track ${index}`);
    const transport = prepared.setUp(index, request.headers.get('Transport') ?? '');
    if (transport === undefined) return refusal(461);
    return { status: 200, headers: { Transport: writeTransport(transport), Session: this.#sessionHeader } };
  }

  /** Finds what a player wants, which may take a while: the stream, and what it consists of. */
  async #prepare(request: RtspRequest): Promise<RtspPlayback | RtspReply> {
    const { options } = this.#context;
    const target = parseTarget(request.uri);
    if (target === undefined) return refusal(404, 'the address of a stream is rtsp://HOST:PORT/NAME');
    if (!options.playbackEnabled) return refusal(403, 'streams are not played by RTSP here');
    const playback = new RtspPlayback(this.#peer, target, this.#context);
    const denied = await this.#ask(request, playback);
    if (denied !== undefined) return denied;
    const { signal } = this.#search;
    const { streamName } = target;
    const stream = await findStream(this.#context, streamName, {
      waitMs: options.playWaitMs,
      signal,
      startUs: startUsOf(target.custom['start']),
    });
    if (stream === undefined) return refusal(404, `no stream "${streamName}" is live`);
    this.#playback?.end('another stream was asked for');
    this.#playback = undefined;
    const lease = this.#context.places.lease(stream);
    // A source that waits for its viewer has nothing to convert until then.
    if (this.#context.places.converts(lease)) stream.viewerReady();
    const known = await tracksKnown(lease, this.#context, { ...options, signal });
    const tracks = known.filter((track) => streamPayloadType(track) !== undefined);
    playback.found({ lease, tracks });
    if (tracks.length > 0 && !this.#over) {
      this.#playback = playback;
      return playback;
    }
    playback.end('nothing to play');
    if (stream.ended) return refusal(404, `no stream "${streamName}" is live`);
    if (stream.state.video === undefined && stream.state.audio === undefined)
      return refusal(503, `stream "${streamName}" has sent no picture and no sound yet, try again`);
    return refusal(415, `stream "${streamName}" has nothing that can be sent by RTSP`);
  }

  /** Asks whether the client may watch (functions-1 §4.2: before every method but OPTIONS); a refusal if not. */
  async #ask(request: RtspRequest, { target, mediaSessionId, appKey }: RtspPlayback): Promise<RtspReply | undefined> {
    const { sessionId, remoteAddress, agent } = this.#peer;
    try {
      await this.#context.access.view({
        sessionId,
        mediaSessionId,
        appKey,
        protocol: 'rtsp',
        mediaProvider: 'RTSP',
        remoteAddress,
        streamName: target.streamName,
        custom: this.#withToken(request, target).custom,
        fields: { name: target.address, userAgent: agent },
      });
      return undefined;
    } catch (error) {
      const denied = this.#refusalFor(error);
      if (denied.status !== 401) return { ...denied, close: true };
      // Who has a name and a password for us may have a token in the place of the password.
      return { ...denied, headers: { 'WWW-Authenticate': 'Basic realm="Sluice"' } };
    }
  }

  async #control(request: RtspRequest): Promise<RtspReply> {
    const publication = this.#publication;
    if (publication !== undefined) return this.#controlRecording(request, publication);
    const playback = this.#playback;
    if (playback === undefined) return request.method.endsWith('_PARAMETER') ? OK : NO_SESSION;
    const denied = await this.#ask(request, playback);
    if (denied !== undefined) return denied;
    if (this.#over) return NO_SESSION;
    switch (request.method) {
      case 'PLAY':
        return playback.isSetUp ? this.#play(playback) : WRONG_STATE;
      case 'PAUSE':
        if (!playback.started) return WRONG_STATE;
        playback.pause();
        return this.#inSession();
      case 'TEARDOWN':
        this.#endSession('the client has ended it', LEFT);
        return OK;
      default:
        return this.#inSession();
    }
  }

  #play(playback: RtspPlayback): RtspReply {
    const { rtpInfo, begin } = playback.play();
    // A live stream has no other place than where it is (functions-1 §4.2 knows no files here).
    const headers = { Range: 'npt=0.000-', 'RTP-Info': rtpInfo, Session: this.#id };
    return { status: 200, headers, after: begin };
  }

  async #announce(request: RtspRequest): Promise<RtspReply> {
    const { options } = this.#context;
    const target = parseTarget(request.uri);
    if (this.#publication !== undefined || this.#playback?.isSetUp === true) return WRONG_STATE;
    if (!options.publishEnabled) return refusal(405, 'nothing is published by RTSP here (rtsp_publish_enabled)');
    if (target === undefined) return refusal(404, 'the address of a stream is rtsp://HOST:PORT/NAME');
    const admitted = await admitPublisher(this.#withToken(request, target), request, {
      peer: this.#peer,
      context: this.#context,
    });
    if ('status' in admitted) return admitted;
    const publication = new RtspPublication(this.#peer, admitted, this.#context);
    if (this.#over) publication.end('peer left', LEFT);
    else this.#publication = publication;
    return this.#inSession();
  }

  #setUpRecording(request: RtspRequest, publication: RtspPublication): RtspReply {
    if (publication.started) return WRONG_STATE;
    const index = publication.trackOf(request.uri);
    if (index === undefined) return refusal(404, 'no such track was announced');
    const transport = publication.setUp(index, request.headers.get('Transport') ?? '');
    if (transport === undefined) return refusal(461);
    return { status: 200, headers: { Transport: writeTransport(transport), Session: this.#sessionHeader } };
  }

  #record(): RtspReply {
    const publication = this.#publication;
    if (publication === undefined) return NO_SESSION;
    if (!publication.isSetUp || publication.started) return WRONG_STATE;
    publication.record();
    return this.#inSession();
  }

  async #controlRecording({ method }: RtspRequest, publication: RtspPublication): Promise<RtspReply> {
    if (method === 'PLAY') return WRONG_STATE;
    // Encoders that pause go on with RECORD, which is none here: their media is taken whenever it comes.
    if (method !== 'TEARDOWN') return this.#inSession();
    publication.stopping();
    if (publication.isUdp) await setTimeout(UDP_TAIL_MS);
    this.#endSession('the client has ended it', LEFT);
    return OK;
  }

  #inSession(): RtspReply {
    return { status: 200, headers: { Session: this.#id } };
  }

  get #sessionHeader(): string {
    return writeSession({ id: this.#id, timeoutSeconds: Math.floor(this.#context.options.sessionTimeoutMs / 1000) });
  }

  /** The token that came as password or in a header counts as one of the address. */
  #withToken({ headers }: RtspRequest, target: RtspTarget): RtspTarget {
    const { tokenField } = this.#context.options;
    if (target.custom[tokenField] !== undefined) return target;
    const [given] = parseAuthentications(headers.get('Authorization') ?? '');
    const token = given?.scheme === 'basic' ? passwordOf(given.token ?? '') : given?.token;
    return token === undefined || token === ''
      ? target
      : { ...target, custom: { ...target.custom, [tokenField]: token } };
  }

  #endSession(reason: string, outcome: RtspOutcome): void {
    this.#playback?.end(reason);
    this.#publication?.end(reason, outcome);
    this.#playback = undefined;
    this.#publication = undefined;
  }

  #refusalFor(error: unknown): RtspReply {
    if (error instanceof MediaServerError) return refusal(error.status, error.message);
    this.#context.log.error({ err: error, session: this.#peer.sessionId }, 'unexpected error in an RTSP session');
    return { ...refusal(500), close: true };
  }
}

function passwordOf(token: string): string {
  const text = Buffer.from(token, 'base64').toString();
  return text.slice(text.indexOf(':') + 1);
}

import { ProtocolError } from '@sluice/media';
import type { OutboundAddresses } from '../../../core/index.ts';
import { RtspHeaders } from '../wire/headers.ts';
import { type RtspEvent, RtspReader, type RtspRequest } from '../wire/reader.ts';
import { writeInterleaved, writeResponse } from '../wire/writer.ts';
import { type ByteLink, openSocket, SocketLink } from './byte-link.ts';
import { RtspFailure } from './failure.ts';
import type { RtspRelayOptions } from './options.ts';
import { Requests } from './requests.ts';
import { openTunnel } from './tunnel.ts';
import type { RtspAddress } from './url.ts';

export interface DialogueEvents {
  /** A packet among the messages. Good until this returns. */
  onFrame(channel: number, payload: Uint8Array): void;
  /** A request of the server; it has been answered. */
  onRequest(request: RtspRequest): void;
  /** It is over. Once, unless by our own `close`. */
  onClosed(error: unknown): void;
}

export interface DialogueOptions {
  readonly relay: RtspRelayOptions;
  readonly outbound: OutboundAddresses;
  readonly requestTimeoutMs: number;
  /** Bytes that may wait for the server beside what `writeFrame` is asked for. */
  readonly maxQueueBytes: number;
  readonly signal: AbortSignal;
}

/** What we say we can do when a server asks. */
const PUBLIC = 'OPTIONS, GET_PARAMETER, SET_PARAMETER, ANNOUNCE, REDIRECT, TEARDOWN, PLAY_NOTIFY';
const ANSWERED: ReadonlySet<string> = new Set(PUBLIC.split(', '));

/** Messages and packets over one connection to an RTSP server, directly, by TLS or in a tunnel over HTTP. */
export class Dialogue {
  readonly requests: Requests;
  readonly #o: DialogueOptions;
  readonly #events: DialogueEvents;
  readonly #reader = new RtspReader();
  #link: ByteLink | undefined;
  #closed = false;

  /** Connects. Rejects with `RtspFailure`, `MediaServerError` (of `outbound`) or `ProtocolError`. */
  static async open(address: RtspAddress, options: DialogueOptions, events: DialogueEvents): Promise<Dialogue> {
    const { relay, signal } = options;
    const found = await options.outbound.resolve(address.outboundUrl);
    if (signal.aborted) throw new RtspFailure('closed', 'the attempt was given up');
    const remote = { ...found, port: address.port };
    const { tlsVerify, localAddress } = relay;
    const target = { remote, secure: address.scheme === 'rtsps', tlsVerify, localAddress };
    const dialogue = new Dialogue(address, options, events);
    const linkEvents = {
      onData: (bytes: Uint8Array) => dialogue.#read(bytes),
      onClosed: (failure: RtspFailure) => dialogue.#fail(failure),
    };
    if (address.scheme === 'rtsph') {
      const { path, credentials } = address;
      const tunnel = { ...target, path, credentials, userAgent: relay.userAgent };
      dialogue.#link = await openTunnel(tunnel, signal, linkEvents);
    } else dialogue.#link = new SocketLink(await openSocket(target, signal), remote, linkEvents);
    if (!signal.aborted) return dialogue;
    dialogue.close();
    throw new RtspFailure('closed', 'the attempt was given up');
  }

  private constructor(address: RtspAddress, options: DialogueOptions, events: DialogueEvents) {
    this.#o = options;
    this.#events = events;
    this.requests = new Requests({
      credentials: address.credentials,
      userAgent: options.relay.userAgent,
      timeoutMs: options.requestTimeoutMs,
      send: (bytes) => this.#write(bytes),
    });
  }

  /** Where it is connected to. */
  get remote(): { readonly host: string; readonly address: string; readonly port: number; readonly family: 4 | 6 } {
    return this.#link?.remote ?? { host: '', address: '', port: 0, family: 4 };
  }

  get bytesIn(): number {
    return this.#link?.bytesIn ?? 0;
  }

  get sentBytes(): number {
    return this.#link?.sentBytes ?? 0;
  }

  get queuedBytes(): number {
    return this.#link?.queuedBytes ?? 0;
  }

  /** Sends a packet among the messages, whatever waits already. */
  writeFrame(channel: number, packet: Uint8Array): void {
    if (!this.#closed) this.#link?.write(writeInterleaved(channel, packet));
  }

  /** Sends a packet that may as well be lost: not when the server does not read. */
  writeRtcp(channel: number, packet: Uint8Array): void {
    if (this.queuedBytes < this.#o.maxQueueBytes) this.writeFrame(channel, packet);
  }

  /** What is written in `write` goes out in one piece. */
  together(write: () => void): void {
    this.#link?.cork();
    try {
      write();
    } finally {
      this.#link?.uncork();
    }
  }

  /** Does what is due. Called about every 20 ms. */
  tick(nowMs: number): void {
    this.requests.tick(nowMs);
  }

  /** Ends it at once. Idempotent; no event follows. */
  close(): void {
    // What ended it may have come before the link was there: behind the head of a tunnel's answer.
    this.#link?.destroy();
    if (this.#closed) return;
    this.#closed = true;
    this.requests.close(new RtspFailure('closed', 'the connection was closed'));
  }

  #fail(error: unknown): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#link?.destroy();
    const failure = error instanceof RtspFailure ? error : new RtspFailure('invalid', 'what it says can not be read');
    this.requests.close(error instanceof ProtocolError ? new RtspFailure('invalid', notRtsp(error)) : failure);
    this.#events.onClosed(error);
  }

  #write(bytes: Uint8Array): void {
    if (this.#closed) return;
    if (this.queuedBytes > this.#o.maxQueueBytes)
      return this.#fail(new RtspFailure('stalled', 'it does not read what is sent to it'));
    this.#link?.write(bytes);
  }

  #read(bytes: Uint8Array): void {
    try {
      this.#reader.push(bytes, (event) => {
        if (!this.#closed) this.#take(event);
      });
    } catch (error) {
      this.#fail(error);
    }
  }

  #take(event: RtspEvent): void {
    switch (event.type) {
      case 'interleaved':
        return this.#events.onFrame(event.channel, event.payload);
      case 'response':
        return this.requests.answer(event);
      case 'request':
        return this.#answer(event);
    }
  }

  /** Servers that ask whether we are there, or tell what becomes of the session. */
  #answer(request: RtspRequest): void {
    const status = ANSWERED.has(request.method) ? 200 : 501;
    const headers = RtspHeaders.of({
      CSeq: request.headers.get('CSeq'),
      Session: this.requests.session,
      Public: request.method === 'OPTIONS' ? PUBLIC : undefined,
    });
    this.#write(writeResponse({ status, headers }));
    if (!this.#closed) this.#events.onRequest(request);
  }
}

function notRtsp(error: ProtocolError): string {
  return `it does not speak RTSP: ${error.message}`;
}

import type { AmfObject, AmfValue } from '@sluice/media';
import type {
  FanOuts,
  OutboundAddress,
  PullAttempt,
  PushAttempt,
  RelayEnd,
  RelayEndCode,
  RelayLink,
  RelayLinkFacts,
} from '../../../core/index.ts';
import { MediaServerError } from '../../../core/index.ts';
import { plainAddress } from '../../../io/index.ts';
import { enhancedProperties } from '../connect.ts';
import { movedTo, type RtmpTarget, tcUrlOf } from './address.ts';
import { nextAuthStep } from './auth.ts';
import { endOfStatus, type Purpose, plainWords, type Status, statusOf } from './endings.ts';
import type { RtmpRelayDeps, RtmpRelayOptions } from './options.ts';
import { openSocket, type Reply, ServerConnection } from './server-connection.ts';

/** What all links share. */
export interface LinkEnv extends RtmpRelayDeps {
  readonly options: RtmpRelayOptions;
  readonly fanOuts: FanOuts;
  /** A server has asked that relay to connect to another address next time. */
  moved(mediaSessionId: string, tcUrl: string): void;
}

/** What a role may do with its link. */
export interface LinkHandle {
  readonly server: ServerConnection;
  readonly streamId: number;
  /** What the server said of itself. */
  readonly properties: AmfObject;
  /** The server has agreed; a second call is void. */
  agreed(): void;
  /** The first media has come or gone; a second call is void. */
  flowing(): void;
  finish(code: RelayEndCode, message: string): void;
}

/** What a connection is for: to publish or to play. */
export interface LinkRole {
  readonly purpose: Purpose;
  /** True when it waits for nothing any more: the time for connecting does not count from then on. */
  readonly settled: boolean;
  /** Why nothing has come of it in time, while it is not settled although the server agreed. */
  readonly overdue: RelayEnd;
  /** Commands before the message stream is made. */
  prepare(server: ServerConnection): void;
  /** The message stream is there. */
  begin(link: LinkHandle): void;
  /** A status that ends nothing. */
  status(status: Status): void;
  audio(body: Uint8Array, timestamp: number): void;
  video(body: Uint8Array, timestamp: number): void;
  data(values: AmfValue[]): void;
  streamEvent(event: number): void;
  /** Called a few times a second, once it has begun. Tells why the connection should end, or undefined. */
  check(nowMs: number): RelayEnd | undefined;
  /** Tells the server that it will leave. */
  goodbye(): void;
  /** Gives back what it holds. Once. */
  release(): void;
  facts(): Pick<RelayLinkFacts, 'packets' | 'drops'>;
}

/** Connections that one attempt may take: those that ask for credentials, twice, and redirects. */
const MAX_CONNECTIONS = 6;
const CHECK_INTERVAL_MS = 200;
const ALLOWANCE_MS = 1000;

/** An attempt to publish to, or play from, an RTMP server, and what comes of it. */
export class RtmpLink implements RelayLink {
  readonly ended: Promise<RelayEnd>;
  readonly #attempt: PullAttempt | PushAttempt;
  readonly #env: LinkEnv;
  readonly #role: LinkRole;
  readonly #startedMs = performance.now();
  readonly #tick: Disposable;
  #resolve: (end: RelayEnd) => void = () => {};
  #target: RtmpTarget;
  #server: ServerConnection | undefined;
  #connections = 0;
  /** Bytes of the connections before this one. */
  #before = { in: 0, out: 0 };
  #remoteAddress = '';
  #begun = false;
  #agreed = false;
  #flowing = false;
  #checkedMs = 0;
  #allowedMs = 0;
  #end: RelayEnd | undefined;

  constructor(attempt: PullAttempt | PushAttempt, target: RtmpTarget, parts: { role: LinkRole; env: LinkEnv }) {
    this.#attempt = attempt;
    this.#target = target;
    this.#role = parts.role;
    this.#env = parts.env;
    this.ended = new Promise((resolve) => {
      this.#resolve = resolve;
    });
    this.#tick = parts.env.ticker.on((nowMs) => this.#check(nowMs));
    this.#dial('');
  }

  facts(): RelayLinkFacts {
    const socket = this.#server?.socket;
    return {
      remoteAddress: this.#remoteAddress,
      transport: 'TCP',
      bytesIn: this.#before.in + (socket?.bytesRead ?? 0),
      bytesOut: this.#before.out + (socket?.bytesWritten ?? 0),
      queuedBytes: socket?.writableLength ?? 0,
      ...this.#role.facts(),
    };
  }

  close(reason: string): void {
    this.#finish({ code: 'closed', message: reason });
  }

  /** Words that must not be told to anybody. */
  get #secrets(): readonly string[] {
    const { server, streamName } = this.#target;
    const key = this.#role.purpose === 'publish' ? [streamName, streamName.replace(/\?.*$/, '')] : [];
    return [...key, server.credentials?.password ?? ''];
  }

  /** Connects; `query` is what a server that refused wants to be told with the application. */
  #dial(query: string): void {
    const target = this.#target;
    if (++this.#connections > MAX_CONNECTIONS)
      return this.#finish({ code: 'refused', message: `${target.server.authority} asked to connect again too often` });
    const { server } = target;
    const url = `${server.secure ? 'rtmps' : 'rtmp'}://${server.authority}/`;
    this.#attempt.outbound
      .resolve(url)
      .then((address) => {
        if (this.#end === undefined) this.#open(address, query);
      })
      .catch((error: unknown) => this.#finish(endOfAddress(error)));
  }

  #open(address: OutboundAddress, query: string): void {
    const { secure, authority } = this.#target.server;
    const socket = openSocket(address, { secure, tlsVerify: this.#env.options.tlsVerify });
    this.#remoteAddress = plainAddress(address.address);
    const server = new ServerConnection(
      socket,
      {
        ready: () => this.#connect(query),
        status: (status) => this.#onStatus(status),
        audio: (body, timestamp) => this.#role.audio(body, timestamp),
        video: (body, timestamp) => this.#role.video(body, timestamp),
        data: (values) => this.#role.data(values),
        streamEvent: (event) => this.#role.streamEvent(event),
        lost: (end) => this.#finish(this.#lossOf(end)),
      },
      { where: authority, log: this.#attempt.log },
    );
    this.#server = server;
  }

  #connect(query: string): void {
    const { options } = this.#env;
    const app = withQuery(this.#target.app, query);
    const flashVer = 'options' in this.#attempt ? this.#attempt.options.flashVersion : undefined;
    const properties: AmfObject = {
      app,
      ...(this.#role.purpose === 'publish' && { type: 'nonprivate' }),
      flashVer: flashVer ?? options.flashVersion,
      ...(options.swfUrl !== '' && { swfUrl: options.swfUrl }),
      tcUrl: tcUrlOf(this.#target, app),
      ...(options.pageUrl !== '' && { pageUrl: options.pageUrl }),
      fpad: false,
      capabilities: 239,
      audioCodecs: 4071,
      videoCodecs: 252,
      videoFunction: 1,
      objectEncoding: 0,
      ...(options.enhanced !== 'never' && enhancedProperties()),
    };
    this.#server?.call('connect', [properties], (reply) => this.#onConnected(reply));
  }

  #onConnected({ ok, values }: Reply): void {
    const server = this.#server;
    if (!ok || server === undefined) return this.#onRefused(statusOf(values));
    server.agree(this.#env.options.chunkSize);
    this.#role.prepare(server);
    server.call('createStream', [null], (reply) => {
      const streamId = reply.values[1];
      if (reply.ok && typeof streamId === 'number') return this.#begin(server, { streamId, properties: values[0] });
      const end = endOfStatus(statusOf(reply.values), this.#secrets, true);
      this.#finish(end ?? { code: 'refused', message: `${server.where} gives no stream` });
    });
  }

  #begin(server: ServerConnection, told: { readonly streamId: number; readonly properties: AmfValue }): void {
    const { properties } = told;
    const { events } = this.#attempt;
    this.#begun = true;
    this.#role.begin({
      server,
      streamId: told.streamId,
      properties: typeof properties === 'object' && properties !== null && !Array.isArray(properties) ? properties : {},
      agreed: () => {
        if (this.#agreed || this.#end !== undefined) return;
        this.#agreed = true;
        events.onConnected();
      },
      flowing: () => {
        if (this.#flowing || this.#end !== undefined) return;
        this.#flowing = true;
        events.onMedia();
      },
      finish: (code, message) => this.#finish({ code, message }),
    });
  }

  /** A refused `connect` may ask for credentials, or to connect elsewhere. */
  #onRefused(status: Status): void {
    const { app, server } = this.#target;
    const step = nextAuthStep(status.description, app, server.credentials);
    if (step.kind === 'refused') return this.#finish({ code: 'refused', message: step.message });
    if (step.kind === 'answer') return this.#again(() => this.#dial(step.query));
    const redirect = redirectOf(status);
    if (redirect === undefined) {
      const end = endOfStatus(status, this.#secrets, true);
      return this.#finish(end ?? { code: 'refused', message: 'the server refused the connection' });
    }
    this.#again(() => {
      this.#target = movedTo(redirect, this.#target);
      this.#dial('');
    });
  }

  /** Goes on with another connection once this one is closed. */
  #again(goOn: () => void): void {
    const server = this.#server;
    this.#server = undefined;
    if (server === undefined) return;
    void server.close(false).then(() => {
      this.#before.in += server.socket.bytesRead;
      this.#before.out += server.socket.bytesWritten;
      if (this.#end !== undefined) return;
      try {
        goOn();
      } catch (error) {
        this.#finish(endOfAddress(error));
      }
    });
  }

  #onStatus(status: Status): void {
    if (status.code === 'NetConnection.Connect.ReconnectRequest') {
      const tcUrl = status.fields['tcUrl'];
      if (typeof tcUrl === 'string') this.#env.moved(this.#attempt.mediaSessionId, tcUrl);
      return this.#finish({ code: 'ended', message: `${this.#target.server.authority} asks to connect anew` });
    }
    const end = endOfStatus(status, this.#secrets);
    if (end === undefined) return this.#role.status(status);
    // Servers with a playlist say that one item stops before the next one starts.
    if (end.code === 'ended' && !this.#agreed) return;
    this.#finish(end);
  }

  /** What a lost connection means at this point. */
  #lossOf(end: RelayEnd): RelayEnd {
    const server = this.#server;
    if (end.code !== 'ended' || this.#agreed || server === undefined) return end;
    if (!server.connected) return { code: 'unreachable', message: end.message };
    if (!server.ready) return { code: 'unreachable', message: `${end.message} instead of shaking hands` };
    const asked = this.#begun ? this.#role.purpose : 'connect';
    const hint = asked === 'publish' ? ': the key of the stream may be wrong, or somebody publishes by it' : '';
    return { code: 'refused', message: `${end.message} when asked to ${asked}${hint}` };
  }

  #check(nowMs: number): void {
    if (nowMs - this.#checkedMs < CHECK_INTERVAL_MS) return;
    this.#checkedMs = nowMs;
    if (nowMs - this.#allowedMs >= ALLOWANCE_MS) {
      this.#allowedMs = nowMs;
      this.#server?.renewAllowance();
    }
    const { connectTimeoutMs, stallTimeoutMs } = this.#attempt;
    const end = this.#begun ? this.#role.check(nowMs) : undefined;
    if (end !== undefined) return this.#finish(end);
    if (!this.#role.settled && nowMs - this.#startedMs > connectTimeoutMs) return this.#finish(this.#lateness());
    if (this.#server?.connected && this.#server.blockedMs(nowMs) > stallTimeoutMs)
      this.#finish({ code: 'stalled', message: `${this.#server.where} has taken nothing for ${stallTimeoutMs} ms` });
  }

  #lateness(): RelayEnd {
    const { authority } = this.#target.server;
    const { connectTimeoutMs } = this.#attempt;
    const server = this.#server;
    if (this.#agreed) return this.#role.overdue;
    const missing =
      server === undefined || !server.connected
        ? `no connection to ${authority}`
        : !server.ready
          ? `${authority} did not shake hands: does it speak RTMP${this.#target.server.secure ? 'S' : ''}?`
          : `${authority} did not answer to ${this.#begun ? this.#role.purpose : 'connect'}`;
    return { code: 'unreachable', message: `${missing} (${connectTimeoutMs} ms)` };
  }

  #finish(end: RelayEnd): void {
    if (this.#end !== undefined) return;
    // What a server said is in it without secrets; this is for what it may have put into the rest.
    const told = { code: end.code, message: plainWords(end.message, []) };
    this.#end = told;
    this.#tick[Symbol.dispose]();
    const server = this.#server;
    const polite = this.#begun && (end.code === 'closed' || end.code === 'ended');
    if (polite) this.#role.goodbye();
    this.#role.release();
    if (server === undefined) this.#resolve(told);
    else void server.close(polite).then(() => this.#resolve(told));
  }
}

/** Wowza and Flash Media Server: `ex: { code: 302, redirect: 'rtmp://…' }`. */
function redirectOf({ fields }: Status): string | undefined {
  const more = fields['ex'];
  if (typeof more !== 'object' || more === null || Array.isArray(more)) return undefined;
  const url = more['redirect'];
  return more['code'] === 302 && typeof url === 'string' ? url : undefined;
}

function withQuery(app: string, query: string): string {
  if (query === '') return app;
  return `${app}${app.includes('?') ? '&' : '?'}${query}`;
}

/** An address that may not be connected to, or has no meaning. */
function endOfAddress(error: unknown): RelayEnd {
  const code = error instanceof MediaServerError ? error.code : undefined;
  const message = error instanceof Error ? error.message : String(error);
  if (code === 'URL_DENIED') return { code: 'refused', message };
  return { code: code === 'URL_INVALID' ? 'invalid' : 'unreachable', message };
}

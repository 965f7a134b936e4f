import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { OPEN_ACCESS, SessionRegistry } from '../../../../core/index.ts';
import { TestCounters, TestLog } from '../../../../core/testing/hub.ts';
import { type WhipDeps, WhipMount, type WhipOptions } from '../index.ts';
import { ScriptedGateway } from './scripted-gateway.ts';

/** An answer as the real gateway writes it, shortened. */
export const ANSWER = [
  'v=0',
  'o=- 1 2 IN IP4 203.0.113.5',
  's=Sluice',
  't=0 0',
  'a=group:BUNDLE 0 1',
  'a=ice-lite',
  'm=audio 31001 UDP/TLS/RTP/SAVPF 111',
  'c=IN IP4 203.0.113.5',
  'a=candidate:1 1 udp 2130706431 203.0.113.5 31001 typ host',
  'a=end-of-candidates',
  'a=ice-ufrag:srvU',
  'a=ice-pwd:serverPasswordOf24Chars0',
  'a=mid:0',
  'm=video 31001 UDP/TLS/RTP/SAVPF 96',
  'a=ice-ufrag:srvU',
  'a=ice-pwd:serverPasswordOf24Chars0',
  'a=mid:1',
  '',
].join('\r\n');

export const CLIENT_ICE = { ufrag: 'cliU', pwd: 'clientPasswordOf24Chars0' };
export const OFFER = `v=0\r\ns=-\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=ice-ufrag:${CLIENT_ICE.ufrag}\r\na=ice-pwd:${CLIENT_ICE.pwd}\r\n`;

/** WHIP and WHEP with a gateway in memory, mounted on a plain web server. */
export class WhipFixture {
  readonly gateway = new ScriptedGateway(ANSWER);
  readonly log = new TestLog();
  readonly counters = new TestCounters();
  readonly sessions = new SessionRegistry();
  readonly whip: WhipMount;
  readonly whep: WhipMount;
  readonly #web: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(options: Partial<WhipOptions>, asked: Partial<Pick<WhipDeps, 'access' | 'allowsOrigin'>>) {
    const { gateway, log, counters, sessions } = this;
    const deps = { gateway, log, counters, sessions, access: OPEN_ACCESS, ...asked };
    this.whip = new WhipMount('publish', deps, options);
    this.whep = new WhipMount('play', deps, options);
    const mountOf = ({ url = '' }: IncomingMessage): WhipMount => (url.startsWith('/whep/') ? this.whep : this.whip);
    this.#web = createServer((request, response) => mountOf(request).request(request, response));
    this.#web.on('upgrade', (request: IncomingMessage, socket) => mountOf(request).upgrade(request, socket));
    this.#web.on('connection', (socket: Socket) => {
      this.#sockets.add(socket);
      socket.once('close', () => this.#sockets.delete(socket));
    });
  }

  static async start(
    options: Partial<WhipOptions> = {},
    asked: Partial<Pick<WhipDeps, 'access' | 'allowsOrigin'>> = {},
  ): Promise<WhipFixture> {
    const fixture = new WhipFixture(options, asked);
    fixture.#web.listen(0, '127.0.0.1');
    await once(fixture.#web, 'listening');
    return fixture;
  }

  get port(): number {
    return (this.#web.address() as AddressInfo).port;
  }

  url(path: string): string {
    return new URL(path, `http://127.0.0.1:${this.port}`).href;
  }

  /** Sends an offer to `path`. */
  offer(path: string, init: RequestInit = {}): Promise<Response> {
    const headers = { 'content-type': 'application/sdp', ...(init.headers as Record<string, string> | undefined) };
    return fetch(this.url(path), { method: 'POST', body: OFFER, ...init, headers });
  }

  /** Sends a fragment to a session's address, with an `If-Match` unless it is undefined. */
  patch(location: string, body: string, ifMatch?: string): Promise<Response> {
    const match: Record<string, string> = ifMatch === undefined ? {} : { 'if-match': ifMatch };
    const headers = { 'content-type': 'application/trickle-ice-sdpfrag', ...match };
    return fetch(this.url(location), { method: 'PATCH', body, headers });
  }

  /** Ends everything. @throws Error when a session or peer is left */
  async close(): Promise<void> {
    await Promise.all([this.whip.close(), this.whep.close()]);
    const closed = once(this.#web, 'close');
    this.#web.close();
    this.#web.closeAllConnections();
    await closed;
    await Promise.all([...this.#sockets].map((socket) => once(socket, 'close')));
    const left = [this.whip.sessionCount, this.whep.sessionCount, this.gateway.running.length];
    if (left.some((count) => count !== 0)) throw new Error(`left: ${left.join(', ')}`);
  }
}

/** Address and entity tag of a session that was made. */
export function sessionOf(response: Response): { readonly location: string; readonly etag: string } {
  return { location: response.headers.get('location') ?? '', etag: response.headers.get('etag') ?? '' };
}

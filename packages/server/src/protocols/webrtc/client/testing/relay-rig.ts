import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type {
  Converter,
  MediaServerError,
  OutboundAddresses,
  PullAttempt,
  PushAttempt,
  RelayEnd,
  RelayLink,
  Stream,
} from '../../../../core/index.ts';
import { testHub } from '../../../../core/testing/hub.ts';
import { Ticker } from '../../../../io/index.ts';
import { WebRtcRig } from '../../testing/rig.ts';
import { WhipMount } from '../../whip/index.ts';
import { ecdsaIdentity } from '../../wire/dtls/testing/identities.ts';
import { type WebRtcRelayOptionsInput, WebRtcRelayProtocol } from '../index.ts';

export interface RelayRigOptions extends Partial<WebRtcRelayOptionsInput> {
  readonly converter?: Converter;
}

/** An attempt and all that it told. */
export interface RunningRelay {
  readonly link: RelayLink;
  readonly told: string[];
  readonly notes: string[];
  /** Set once it is over. */
  end: RelayEnd | undefined;
}

/** Everything may be connected to; names are not known. */
export const ANY_ADDRESS: OutboundAddresses = {
  resolve(url) {
    const { hostname, port } = new URL(url);
    const host = hostname.replace(/^\[(.*)\]$/, '$1');
    const address = host === 'localhost' ? '127.0.0.1' : host;
    return Promise.resolve({
      host,
      address,
      family: host.includes(':') ? 6 : 4,
      port: port === '' ? undefined : Number(port),
    });
  },
};

/** A server with WHIP and WHEP, and relays of another hub that reach for it. */
export class RelayRig {
  readonly hub;
  readonly ticker = new Ticker();
  readonly protocol: WebRtcRelayProtocol;
  readonly there: WebRtcRig;
  readonly #web: Server;
  readonly #mounts: readonly [WhipMount, WhipMount];
  readonly #running: RelayLink[] = [];
  /** Changes answers of the server on their way. */
  rewrite: (answer: string) => string = (answer) => answer;
  /** Answers requests instead of the server. */
  instead: ((request: IncomingMessage, response: ServerResponse) => void) | undefined;
  readonly requests: { readonly method: string; readonly url: string; readonly authorization: string | undefined }[] =
    [];

  private constructor(there: WebRtcRig, options: WebRtcRelayOptionsInput, converter: Converter | undefined) {
    this.there = there;
    this.hub = testHub(0, converter);
    this.protocol = new WebRtcRelayProtocol({ ...this.hub, ticker: this.ticker }, options);
    const deps = { ...there.hub, gateway: there.server };
    this.#mounts = [new WhipMount('publish', deps), new WhipMount('play', deps)];
    this.#web = createServer((request, response) => this.serve(request, response));
  }

  static async start({ converter, ...options }: RelayRigOptions = {}): Promise<RelayRig> {
    const { certificate } = await ecdsaIdentity();
    const rig = new RelayRig(await WebRtcRig.start(), { host: '127.0.0.1', certificate, ...options }, converter);
    rig.#web.listen(0, '127.0.0.1');
    await once(rig.#web, 'listening');
    return rig;
  }

  get port(): number {
    return (this.#web.address() as AddressInfo).port;
  }

  /** A stream here that a relay would own. */
  target(name: string): Stream {
    return this.hub.streams.publish(name, { sessionId: 'relay', close: () => {} });
  }

  pull(url: string, stream: Stream, changes: Partial<PullAttempt> = {}): RunningRelay {
    const { running, attempt } = this.#attempt(url);
    return this.#watch(running, this.protocol.pull({ ...attempt, stream, ...changes }));
  }

  push(url: string, source: Stream, changes: Partial<PushAttempt> = {}): RunningRelay {
    const { running, attempt } = this.#attempt(url);
    const push = { ...attempt, source, streamName: source.name, options: {} };
    return this.#watch(running, this.protocol.push({ ...push, ...changes }));
  }

  async close(): Promise<void> {
    for (const link of this.#running) link.close('the test is over');
    await Promise.all(this.#running.map(({ ended }) => ended));
    await Promise.all(this.#mounts.map((mount) => mount.close()));
    this.#web.close();
    this.#web.closeAllConnections();
    await this.there.close();
    this.hub.adaptations.close();
    this.hub.streams.close();
  }

  #attempt(url: string) {
    const running: Omit<RunningRelay, 'link'> = { told: [], notes: [], end: undefined };
    const attempt = {
      url: url.replace('HOST', `127.0.0.1:${this.port}`),
      remoteStreamName: undefined,
      mediaSessionId: 'relay-1',
      outbound: ANY_ADDRESS,
      connectTimeoutMs: 15_000,
      stallTimeoutMs: 15_000,
      log: this.hub.log,
      events: {
        onConnected: () => void running.told.push('connected'),
        onMedia: () => void running.told.push('media'),
        onNote: (text: string) => void running.notes.push(text),
      },
    };
    return { running, attempt };
  }

  #watch(running: Omit<RunningRelay, 'link'>, link: RelayLink): RunningRelay {
    this.#running.push(link);
    const whole = Object.assign(running, { link });
    void link.ended.then((end) => {
      whole.end = end;
    });
    return whole;
  }

  /** Answers as its own web server does, for another one. */
  serve(request: IncomingMessage, response: ServerResponse): void {
    const { method = '', url = '', headers } = request;
    this.requests.push({ method, url, authorization: headers.authorization });
    if (this.instead !== undefined) return this.instead(request, response);
    if (method !== 'POST') return this.#mountOf(url).request(request, response);
    const end = response.end.bind(response) as (body?: unknown) => ServerResponse;
    const writeHead = response.writeHead.bind(response) as (status: number) => ServerResponse;
    response.writeHead = ((status: number) => {
      response.removeHeader('content-length');
      return writeHead(status);
    }) as typeof response.writeHead;
    response.end = ((body?: unknown) =>
      end(typeof body === 'string' ? this.rewrite(body) : body)) as typeof response.end;
    this.#mountOf(url).request(request, response);
  }

  #mountOf(url: string): WhipMount {
    return this.#mounts[url.startsWith('/whep/') ? 1 : 0];
  }
}

/** An error as the guard of connections throws it. */
export function denied(code: MediaServerError['code']): OutboundAddresses {
  return { resolve: () => Promise.reject(Object.assign(new Error('denied here'), { code })) };
}

import { once } from 'node:events';
import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from 'node:http';

const HOST = '127.0.0.1';

/** Relays that media has to go through; candidates of a protocol that has none are taken away. */
export interface Ways {
  /** The address of this machine that clients are told; its loopback unless told otherwise. */
  readonly host?: string | undefined;
  readonly udp?: { readonly port: number };
  readonly tcp?: { readonly port: number };
}

/** An answer of the server whose candidates lead to the relays instead of to the server. */
export function through(ways: Ways, answer: string): string {
  const seen = new Set<string>();
  const lines = answer.split('\r\n').flatMap((line) => {
    if (line.startsWith('m=')) seen.clear();
    if (!line.startsWith('a=candidate:')) return [line];
    const fields = line.split(' ');
    const protocol = fields[2]?.toLowerCase() === 'tcp' ? 'tcp' : 'udp';
    const port = ways[protocol]?.port;
    // Several addresses of the server are one relay.
    const key = `${protocol} ${fields[1]}`;
    if (port === undefined || seen.has(key)) return [];
    seen.add(key);
    return [
      fields
        .with(4, ways.host ?? HOST)
        .with(5, String(port))
        .join(' '),
    ];
  });
  return lines.join('\r\n');
}

/** Stands before the HTTP port of a server and leads the media of those who offer by it, by WHIP or WHEP, through relays. */
export class ThroughRelays {
  /** What clients are told to go through from now on. */
  ways: Ways;
  readonly #http: Server;

  private constructor(httpPort: number, ways: Ways) {
    this.ways = ways;
    this.#http = createServer((incoming, outgoing) => this.#pass(incoming, outgoing, httpPort));
  }

  static async open(httpPort: number, ways: Ways): Promise<ThroughRelays> {
    const before = new ThroughRelays(httpPort, ways);
    before.#http.listen(0, HOST);
    await once(before.#http, 'listening');
    return before;
  }

  http(path: string): string {
    const address = this.#http.address();
    return `http://${HOST}:${typeof address === 'object' && address !== null ? address.port : 0}${path}`;
  }

  async close(): Promise<void> {
    this.#http.closeAllConnections();
    await new Promise<void>((resolve) => this.#http.close(() => resolve()));
  }

  #pass(incoming: IncomingMessage, outgoing: ServerResponse, port: number): void {
    const { method, headers, url: path } = incoming;
    const onward = request({ host: HOST, port, method, path, headers }, (answer) => {
      const chunks: Buffer[] = [];
      answer.on('data', (chunk: Buffer) => chunks.push(chunk));
      answer.on('end', () => {
        const body = Buffer.concat(chunks);
        const isAnswer = answer.headers['content-type']?.startsWith('application/sdp') === true;
        const given = isAnswer ? Buffer.from(through(this.ways, body.toString())) : body;
        const { 'content-length': _, 'transfer-encoding': __, ...kept } = answer.headers;
        outgoing.writeHead(answer.statusCode ?? 502, { ...kept, 'content-length': given.length }).end(given);
      });
    });
    onward.on('error', () => outgoing.writeHead(502).end());
    incoming.pipe(onward);
  }
}

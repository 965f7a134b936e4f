import { TestServer } from '../server.ts';

/** The server as Web SDK applications meet it, with pings that come often. */
export class SdkServer {
  readonly url: string;
  /** By WSS. */
  readonly secureUrl: string;
  readonly #server: TestServer;

  private constructor(server: TestServer) {
    this.#server = server;
    this.url = `ws://127.0.0.1:${server.ports.ws}`;
    this.secureUrl = `wss://127.0.0.1:${server.ports.wss}`;
  }

  static async start(
    settings: Readonly<Record<string, string | number>> = {},
    args: readonly string[] = [],
  ): Promise<SdkServer> {
    const own = { 'keep_alive.server_interval': 300, ...settings };
    return new SdkServer(await TestServer.start({ settings: own, args: [...args] }));
  }

  /** The server itself. */
  get server(): TestServer {
    return this.#server;
  }

  /** Publications and playbacks as REST lists them. */
  async mediaSessions(): Promise<object[]> {
    const response = await fetch(this.#server.http('/rest-api/stream/find_all'));
    return response.status === 404 ? [] : ((await response.json()) as object[]);
  }

  /** Calls a REST method. @throws Error when it is not answered with 200 */
  async rest(method: string, body: object): Promise<unknown> {
    const options = { method: 'POST', body: JSON.stringify(body), headers: { 'content-type': 'application/json' } };
    const response = await fetch(this.#server.http(`/rest-api/${method}`), options);
    const text = await response.text();
    if (response.status !== 200) throw new Error(`${method}: ${response.status} ${text}`);
    return text === '' ? undefined : JSON.parse(text);
  }

  /** Stops the process where it is: its sockets stay open and nothing comes from it. */
  freeze(): void {
    process.kill(this.#server.pid, 'SIGSTOP');
  }

  thaw(): void {
    process.kill(this.#server.pid, 'SIGCONT');
  }

  /** Where the server keeps its data. */
  get folder(): string {
    return this.#server.folder;
  }

  /** All that the server has said. */
  get output(): string {
    return this.#server.output;
  }

  stop(): Promise<void> {
    return this.#server.stop();
  }
}

import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';

/** Connected sockets on this machine. */
export class SocketPairs {
  readonly #server: Server;
  readonly #sockets: Socket[] = [];

  private constructor(server: Server) {
    this.#server = server;
  }

  static async start(): Promise<SocketPairs> {
    const server = createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new SocketPairs(server);
  }

  /** An accepted socket, which nothing was read from, and its peer. `accepted` is called when it comes. */
  async open(
    accepted: (socket: Socket) => void = () => {},
  ): Promise<{ readonly here: Socket; readonly there: Socket }> {
    const { port } = this.#server.address() as { port: number };
    const coming = new Promise<Socket>((resolve) => {
      this.#server.once('connection', (socket) => {
        accepted(socket);
        resolve(socket);
      });
    });
    const there = connect({ port, host: '127.0.0.1', noDelay: true });
    const here = await coming;
    this.#sockets.push(here, there);
    for (const socket of [here, there]) socket.on('error', () => {});
    return { here, there };
  }

  close(): void {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
  }
}

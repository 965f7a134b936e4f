import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';

interface Waiting {
  readonly need: number;
  go(): void;
}

/**
 * Shares out something that there is so much of, such as cores, to who asks for parts of it. Who came first goes first;
 * what it leaves over goes to the next who can do with that.
 */
export class Turns {
  readonly #capacity: number;
  readonly #waiting: Waiting[] = [];
  #taken = 0;

  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  /** Says when there is room, at once or later. What it gives ends the turn, or the wait for it. Idempotent. */
  take(need: number, onTurn: () => void): () => void {
    const part = Math.min(need, this.#capacity);
    let state: 'waits' | 'has' | 'gone' = 'waits';
    const go = (): void => {
      state = 'has';
      onTurn();
    };
    const own: Waiting = { need: part, go };
    this.#waiting.push(own);
    this.#share();
    return () => {
      if (state === 'has') this.#taken -= part;
      else if (state === 'waits') this.#waiting.splice(this.#waiting.indexOf(own), 1);
      state = 'gone';
      this.#share();
    };
  }

  #share(): void {
    for (const one of [...this.#waiting]) {
      // Sums of tenths are not exact.
      if (this.#taken + one.need > this.#capacity + 1e-6) continue;
      this.#waiting.splice(this.#waiting.indexOf(one), 1);
      this.#taken += one.need;
      one.go();
    }
  }
}

/** Gives turns to other processes: each connection says what it needs, hears `go`, and gives it back by its end. */
export async function serveTurns(capacity: number): Promise<{ readonly port: number; close(): void }> {
  const turns = new Turns(capacity);
  const sockets = new Set<Socket>();
  const server: Server = createServer((socket) => {
    sockets.add(socket);
    socket.once('data', (need) => {
      const giveBack = turns.take(Number(need.toString()), () => socket.write('go'));
      socket.once('close', giveBack);
    });
    // A process that was ended gives back like any other.
    socket.on('error', () => socket.destroy());
    socket.once('close', () => sockets.delete(socket));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const close = (): void => {
    server.close();
    for (const socket of sockets) socket.destroy();
  };
  return { port: typeof address === 'object' && address !== null ? address.port : 0, close };
}

/** Waits for a turn that needs so much; gives the way to end it. */
export async function takeTurn(port: number, need: number): Promise<() => void> {
  const socket = connect({ port, host: '127.0.0.1' });
  await once(socket, 'connect');
  socket.write(String(need));
  await once(socket, 'data');
  // Who gave it may go first when a run is cut short.
  socket.on('error', () => socket.destroy());
  return () => socket.destroy();
}

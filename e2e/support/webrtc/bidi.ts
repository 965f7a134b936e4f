import { once } from 'node:events';
import { WebSocket } from 'ws';

/** How long a browser may take for one command, which includes what a page waits for. */
const COMMAND_TIMEOUT_MS = 60_000;

interface Answer {
  readonly id?: number;
  readonly result?: unknown;
  readonly error?: string;
  readonly message?: string;
}

interface Waiting {
  resolve(result: unknown): void;
  reject(error: Error): void;
}

/** A connection to a browser by WebDriver BiDi (https://www.w3.org/TR/webdriver-bidi/), of which commands are enough. */
export class BidiConnection {
  readonly #socket: WebSocket;
  readonly #waiting = new Map<number, Waiting>();
  #lastId = 0;

  private constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.on('message', (data) => this.#onAnswer(JSON.parse((data as Buffer).toString()) as Answer));
    socket.on('close', () => {
      for (const { reject } of this.#waiting.values()) reject(new Error('the browser has gone'));
      this.#waiting.clear();
    });
  }

  /** Opens a session at the address that a browser tells, `ws://…`. */
  static async open(address: string): Promise<BidiConnection> {
    const socket = new WebSocket(`${address}/session`);
    await once(socket, 'open');
    return new BidiConnection(socket);
  }

  /** Does a command and gives its result. */
  async send<T = unknown>(method: string, params: object): Promise<T> {
    const id = ++this.#lastId;
    const answered = new Promise((resolve, reject) => this.#waiting.set(id, { resolve, reject }));
    const timer = setTimeout(() => this.#reject(id, new Error(`${method} takes too long`)), COMMAND_TIMEOUT_MS);
    this.#socket.send(JSON.stringify({ id, method, params }));
    try {
      return (await answered) as T;
    } finally {
      clearTimeout(timer);
    }
  }

  close(): void {
    this.#socket.close();
  }

  #onAnswer({ id, result, error, message }: Answer): void {
    if (id === undefined) return;
    if (error !== undefined) {
      this.#reject(id, new Error(`${error}: ${message}`));
      return;
    }
    this.#waiting.get(id)?.resolve(result);
    this.#waiting.delete(id);
  }

  #reject(id: number, error: Error): void {
    this.#waiting.get(id)?.reject(error);
    this.#waiting.delete(id);
  }
}

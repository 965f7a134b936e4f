import type { Fields } from './access.ts';
import type { LogLevel } from './ports.ts';
import type { SessionProtocol } from './session-registry.ts';

/** A client's connection in the terms of the REST API (rest-api.md §2, Connection object). */
export interface ConnectionDescription {
  /** `/<client ip>:<port>/<server ip>:<port>`, the same as in the descriptions of its media sessions. */
  readonly sessionId: string;
  readonly appKey: string;
  readonly protocol: SessionProtocol;
  /** WCS's name of the provider: `Flash` for RTMP. */
  readonly mediaProvider: string;
  /** All that the client can use, when it says so. */
  readonly mediaProviders?: readonly string[] | undefined;
  /** `PENDING` until the client has said what it wants (RTMP: `connect`). */
  readonly status: 'PENDING' | 'ESTABLISHED';
  /** Random token that the server gave this connection. */
  readonly login: string;
  /** What the client says of itself (RTMP: `flashVer`); empty when it says nothing. */
  readonly clientVersion: string;
  /** Browsers only, as the page's address. */
  readonly clientOsVersion?: string | undefined;
  readonly clientBrowserVersion?: string | undefined;
  readonly origin?: string | undefined;
  readonly remoteAddress: string;
  readonly createDate: number;
  readonly keepAlive: boolean;
  /** Bytes since the connection was made. */
  readonly bytesIn: number;
  readonly bytesOut: number;
  /** Parameters of the connection, without those of its streams; Web SDK: the application's own object. */
  readonly custom: Fields;
}

/** A long-lived connection of a client, whether or not it publishes or plays. */
export interface ClientConnection {
  readonly sessionId: string;
  describe(): ConnectionDescription;
  /** Ends all that the connection carries, then the connection. Idempotent. */
  close(reason: string): void;
  /** Hands an object to the application of this client (`/data/send`); absent where the protocol can't carry it. */
  sendData?(operationId: string, payload: unknown): void;
  /** Least severe lines that are logged about this client (`/connection/set_log_level`). */
  setLogLevel?(level: LogLevel): void;
}

/** All connections that can be listed and terminated, by session id. */
export class ConnectionRegistry {
  readonly #connections = new Map<string, ClientConnection>();

  get size(): number {
    return this.#connections.size;
  }

  all(): IterableIterator<ClientConnection> {
    return this.#connections.values();
  }

  get(sessionId: string): ClientConnection | undefined {
    return this.#connections.get(sessionId);
  }

  /** Registers a connection; dispose of the result when it is over. */
  add(connection: ClientConnection): Disposable {
    this.#connections.set(connection.sessionId, connection);
    return {
      [Symbol.dispose]: () => {
        if (this.#connections.get(connection.sessionId) === connection) this.#connections.delete(connection.sessionId);
      },
    };
  }
}

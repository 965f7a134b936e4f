import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';

/** A protocol that answers under a path of the web port. The web server hands requests over as they came. */
export interface HttpMount {
  /** Begins and ends with a slash: `/flv/`. */
  readonly prefix: string;
  /** Answers a request whose path begins with `prefix`. Must not throw. */
  request(request: IncomingMessage, response: ServerResponse): void;
  /** Answers a request to upgrade to WebSocket under `prefix`. Must not throw. */
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void;
}

import { MediaServerError } from '../../core/index.ts';

/** UDP ports, both ends included. */
export interface PortRange {
  readonly from: number;
  readonly to: number;
}

/** Who may send. */
export interface SenderList {
  /** `address` as people write it: see `plainAddress`. */
  allows(address: string): boolean;
}

/** How to open a port that takes one transport stream. */
export interface InputPortOpen {
  /** Address of this machine to listen at. */
  readonly address: string;
  /** One of these; a single one where the caller has named it. */
  readonly ports: PortRange;
  readonly allowed: SenderList;
  /** SRT only. */
  readonly passphrase?: string | undefined;
  readonly latencyMs?: number | undefined;
}

export interface InputPortEvents {
  /** A sender was let in; its bytes follow. For SRT once. */
  onSender(remoteAddress: string): void;
  /** Bytes of the transport stream, in order; valid only in the call. */
  onData(bytes: Uint8Array): void;
  /** A sender that is not in the list was turned away; `count` datagrams or connections. */
  onDenied(count: number): void;
  /** The sender has gone, or the port failed, and all is released; `reason` for people. Once, and not after `close`. */
  onClosed(reason: string): void;
}

export interface InputPort {
  readonly port: number;
  /** Idempotent; resolves when the port is free again. No event follows. */
  close(): Promise<void>;
}

/** Opens a port for SRT. @throws MediaServerError PORT_IN_USE, CONFIG_INVALID for a passphrase that can't be used */
export type OpenSrtInput = (open: InputPortOpen, events: InputPortEvents) => Promise<InputPort>;

/** Where in a range the last port was found: the next search goes on there, so that ports are not used again at once. */
const lastFound = new Map<string, number>();

/**
 * Opens the first free port of a range: `open` rejects with EADDRINUSE for those that are taken.
 * @throws MediaServerError PORT_IN_USE; whatever else `open` rejects with
 */
export async function openInRange<T>(
  { from, to }: PortRange,
  open: (port: number) => Promise<T>,
): Promise<{ readonly port: number; readonly opened: T }> {
  const key = `${from}-${to}`;
  const count = to - from + 1;
  const start = (lastFound.get(key) ?? to) + 1 - from;
  for (let i = 0; i < count; i++) {
    const port = from + ((start + i) % count);
    try {
      const opened = await open(port);
      lastFound.set(key, port);
      return { port, opened };
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error;
    }
  }
  const which = count === 1 ? `UDP port ${from} is taken` : `all UDP ports from ${from} to ${to} are taken`;
  throw new MediaServerError('PORT_IN_USE', which);
}

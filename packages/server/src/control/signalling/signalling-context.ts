import type { ConnectionRequest } from '@sluice/contract';
import type {
  AccessControl,
  ConnectionRegistry,
  Counters,
  Log,
  MediaSocketGateway,
  PeerGateway,
  Recorder,
  Relays,
  SessionRegistry,
  Snapshots,
  StreamRegistry,
} from '../../core/index.ts';
import type { RateLimiter } from '../../io/index.ts';
import type { SignallingConnection } from './client-connection.ts';
import type { MediaTransport } from './media-transport.ts';
import type { SignallingOptions } from './options.ts';
import type { RoomDirectory } from './rooms/room-directory.ts';
import type { StreamPlayers } from './stream-players.ts';

/** The parts of the server that streams of clients need. */
export interface SignallingMedia {
  readonly streams: StreamRegistry;
  readonly sessions: SessionRegistry;
  readonly peers: PeerGateway;
  readonly mediaSockets: MediaSocketGateway | undefined;
  readonly players: StreamPlayers;
  readonly recorder: Pick<Recorder, 'settled'> | undefined;
  readonly relays: Pick<Relays, 'push' | 'end'> | undefined;
  readonly snapshots: Snapshots | undefined;
}

/** What a connection asks of the server that owns it. */
export interface SignallingContext {
  readonly options: SignallingOptions;
  readonly access: AccessControl;
  readonly connections: ConnectionRegistry;
  /** What the streams of all clients are made with. */
  readonly media: SignallingMedia;
  readonly rooms: RoomDirectory;
  readonly log: Log;
  readonly counters: Counters;
  readonly faults: RateLimiter;
  /** The session of a token, taken from wherever it is; undefined when it can't be resumed. */
  resume(authToken: string): Partial<ConnectionRequest> | undefined;
  /** Gives a media transport to the session of a token; false when that has no use for it. */
  transport(authToken: string, transport: MediaTransport): boolean;
  established(connection: SignallingConnection): void;
  ended(connection: SignallingConnection, how: 'over' | 'lost' | 'resumed'): void;
}

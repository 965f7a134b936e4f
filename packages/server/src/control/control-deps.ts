import type { LogBody, SettingsBody } from '@sluice/contract';
import type {
  Adaptations,
  ConnectionRegistry,
  ConversionBudget,
  FileStreams,
  Log,
  RecentEndings,
  Recorder,
  Relays,
  Renditions,
  Rooms,
  SessionRegistry,
  Snapshots,
  Stream,
  StreamPackaging,
  StreamRegistry,
  TransportStreams,
} from '../core/index.ts';
import type { HttpMount } from '../io/index.ts';
import type { UserStore } from './auth/users.ts';
import type { StreamHistory } from './console/stream-history.ts';
import type { ApplicationStore } from './hooks/applications/application-store.ts';
import type { PrometheusCounters } from './metrics/prometheus-counters.ts';
import type { DescribeTrack } from './stream-details.ts';

/** Ports that media clients connect to; 0 when that server is off. */
export interface ControlPorts {
  readonly rtmp: number;
  readonly hls: number;
  readonly ws: number;
  readonly wss: number;
  readonly rtsp: number;
  readonly srt: number;
  /** True when WHIP and WHEP answer on the web ports. */
  readonly webrtc: boolean;
  readonly hlsSecure: number;
  /** What can be played besides: see the contract's `OverviewPorts`. */
  readonly mse: boolean;
  readonly lowLatencyHls: boolean;
  readonly dash: boolean;
  readonly hlsLadder: boolean;
}

/** The newest lines of the server's log. */
export interface RecentLog {
  /** Lines with a greater number than `number`, the oldest first, `limit` of the newest at most. */
  since(number: number, limit: number): LogBody;
}

/** What hooks have open, for the statistics. */
export interface HookTraffic {
  /** Connections to back ends: in use, idle, and hooks that wait for one. */
  readonly connections: { readonly leased: number; readonly available: number; readonly pending: number };
  /** Events that wait or are on their way. */
  readonly heldEvents: number;
}

/** What the control server needs from the composition root. */
export interface ControlDeps {
  readonly streams: StreamRegistry;
  readonly sessions: SessionRegistry;
  readonly connections: ConnectionRegistry;
  readonly log: Log;
  /** The same object that the protocols count with. */
  readonly counters: PrometheusCounters;
  readonly describeTrack: DescribeTrack;
  /** Absent when HLS is off. */
  readonly hls?: StreamPackaging | undefined;
  /** Absent where nothing is recorded, no pictures are taken, no files are played. */
  readonly recorder?: Recorder | undefined;
  readonly snapshots?: Snapshots | undefined;
  readonly fileStreams?: FileStreams | undefined;
  /** Streams to and from other servers, and ports for transport streams; absent where there are none. */
  readonly relays?: Relays | undefined;
  readonly transportStreams?: TransportStreams | undefined;
  /** Rooms of the Web SDK's Room API; absent where that is off. */
  readonly rooms?: Rooms | undefined;
  /** Put before the names of streams that are pushed by RTMP. */
  readonly pushPrefix?: string | undefined;
  /** Of addresses of other servers that have none. */
  readonly agentScheme?: 'ws' | 'wss' | undefined;
  /** Version of the product, shown by `/health` and the console. */
  readonly version: string;
  /** Asked at each request, because ports of 0 are known only after listening. */
  readonly ports: () => ControlPorts;
  /** Folder with the built console (`apps/console/dist`); need not exist. */
  readonly consoleDir: string;
  /** Name of the stream that the server plays by itself, so that the console can mark it. */
  readonly demoStreamName?: string | undefined;
  /**
   * Protocols that answer under a path of the web port; prefixes must not overlap. Their owners end their connections:
   * what is still open half a second after `close` was called is cut off.
   */
  readonly mounts?: readonly HttpMount[] | undefined;
  /** Who may log in; absent: nobody. */
  readonly users?: UserStore | undefined;
  /** Settings in force, without secrets, for the console; absent: it has no such page. */
  readonly settingsView?: (() => SettingsBody) | undefined;
  /** Absent where no log is kept. */
  readonly recentLog?: RecentLog | undefined;
  /** For explanations: what is converted, and how sessions ended; absent where nobody keeps it. */
  readonly adaptations?: Adaptations | undefined;
  readonly endings?: RecentEndings | undefined;
  /** Qualities that streams can be had in, and what conversions of pictures may cost and do cost; absent: there are none. */
  readonly renditions?: Renditions | undefined;
  readonly conversionBudget?: (() => ConversionBudget | undefined) | undefined;
  /** How a live stream went in the last minutes; the control server itself keeps it. */
  readonly historyOf?: ((stream: Stream) => StreamHistory | undefined) | undefined;
  /** Applications, whose back ends are asked and told; absent: there are no methods for them. */
  readonly applications?: ApplicationStore | undefined;
  /** Hooks to these back ends; absent: none are sent. */
  readonly access?: HookTraffic | undefined;
  /** Streams that may be live at once. */
  readonly maxStreams?: number | undefined;
  /** Names of clients' own fields whose values are never told, besides those that anybody would guess. */
  readonly secretFields?: ReadonlySet<string> | undefined;
}

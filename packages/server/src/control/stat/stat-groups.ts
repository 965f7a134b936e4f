import type { SessionTotals, Stream } from '../../core/index.ts';
import type { ControlDeps } from '../control-deps.ts';
import type { Machine, MachineFacts } from '../process/machine-facts.ts';
import type { ProcessVitals } from '../process/process-vitals.ts';
import { audioVideoOffsetMs } from '../stream-times.ts';
import { MAX_LISTED_STREAMS, type StatList, type StatValues } from './stat-value.ts';
import { streamHealth } from './stream-health.ts';
import { nativeResources, transcoding } from './transcoding-stats.ts';

/** What the statistics page is made of. */
export interface StatSources {
  readonly deps: Pick<
    ControlDeps,
    'streams' | 'sessions' | 'connections' | 'access' | 'adaptations' | 'describeTrack' | 'recorder'
  >;
  readonly vitals: ProcessVitals;
  readonly machine: Machine;
}

/** A group of the statistics page (rest-hooks.md §9). */
export interface StatGroup {
  /** Name in JSON and in the query, as in newer builds of WCS. */
  readonly name: string;
  /** Word of the text form's header; in lower case the name that older clients know the group by. */
  readonly oldName: string;
  values(sources: StatSources): StatValues;
}

/**
 * All groups, in the order of the page. Keys of WCS for things that this server has not (ports for media, calls) are
 * there with 0, since clients read them without looking.
 */
export const STAT_GROUPS: readonly StatGroup[] = [
  { name: 'connections_stats', oldName: 'Connection', values: connections },
  { name: 'port_stats', oldName: 'Port', values: ports },
  { name: 'streams_stats', oldName: 'Stream', values: streams },
  { name: 'degraded_streams_stats', oldName: 'Degraded', values: degraded },
  { name: 'buffer_stats', oldName: 'Buffer', values: buffers },
  { name: 'native_resources', oldName: 'Native', values: nativeResources },
  { name: 'core_stats', oldName: 'Core', values: core },
  { name: 'call_stats', oldName: 'Call', values: () => CALLS },
  { name: 'recording_stats', oldName: 'Recording', values: recordings },
  { name: 'transcoding_stats', oldName: 'Transcoding', values: transcoding },
  { name: 'system_stats', oldName: 'System', values: system },
];

function recordings({ deps }: StatSources): StatValues {
  const running = deps.recorder?.running() ?? [];
  const { unwrittenBytes = 0, finalising = 0, uploads = 0 } = deps.recorder?.backlog() ?? {};
  return {
    recordings: running.length,
    recordings_in_trouble: running.filter(({ trouble }) => trouble !== undefined).length,
    recordings_unwritten_bytes: unwrittenBytes,
    recordings_finalising: finalising,
    recordings_uploads: uploads,
  };
}

const PORTS: StatValues = Object.fromEntries(
  [
    'ports_media_free',
    'ports_media_busy',
    'ports_media_quarantine',
    'ports_wcs_agents_free',
    'ports_wcs_agents_busy',
    'ports_wcs_agents_quarantine',
  ].map((key) => [key, 0]),
);

/** Connections of hooks to back ends; there are no ports for media or agents. */
function ports({ deps }: StatSources): StatValues {
  const { leased, available, pending } = deps.access?.connections ?? { leased: 0, available: 0, pending: 0 };
  return {
    ...PORTS,
    ports_rest_api_leased: leased,
    ports_rest_api_available: available,
    ports_rest_api_pending: pending,
  };
}

const CALLS: StatValues = { calls: 0, calls_incoming: 0, calls_outgoing: 0, registered_users: 0 };

/** Keys that WCS always has, whether or not the protocol is there. */
const STREAM_KEYS: readonly string[] = [
  'streams_rtsp_in',
  'streams_rtsp_out',
  'streams_websocket_out',
  'streams_rtmp_in',
  'streams_rtmp_out',
  'streams_webrtc_in',
  'streams_webrtc_out',
  'streams_rtmfp_in',
  'streams_rtmfp_out',
  'streams_hls_out',
  'streams_flv_out',
];

/**
 * `connections` are the clients' lasting connections; viewers of HLS have none and are counted by `connections_hls`
 * alone.
 */
function connections({ deps }: StatSources): StatValues {
  const counts: Record<string, number> = {
    connections: deps.connections.size,
    connections_rtmfp: 0,
    connections_websocket: 0,
    connections_hls: totalOf(deps.sessions.totals(), 'hls'),
  };
  for (const connection of deps.connections.all()) {
    const { protocol } = connection.describe();
    // Clients of WebRTC that have a connection are those of the Web SDK, by WebSocket.
    const key = `connections_${protocol === 'webrtc' ? 'websocket' : protocol}`;
    counts[key] = (counts[key] ?? 0) + 1;
  }
  return counts;
}

function totalOf(totals: readonly SessionTotals[], protocol: string): number {
  return totals.reduce((sum, total) => (total.protocol === protocol ? sum + total.active : sum), 0);
}

function streams({ deps }: StatSources): StatValues {
  const counts: Record<string, number> = Object.fromEntries(STREAM_KEYS.map((key) => [key, 0]));
  for (const { protocol, mediaType, active } of deps.sessions.totals()) {
    // WCS counts players over WebSockets under this name (functions-2 §5.9).
    const name = protocol === 'mse' ? 'websocket' : protocol;
    counts[`streams_${name}_${mediaType === 'publish' ? 'in' : 'out'}`] = active;
  }
  const live = liveStreams(deps);
  const both = live.filter(({ state }) => state.video !== undefined && state.audio !== undefined);
  const nowMs = performance.now();
  return {
    ...counts,
    streams_viewers: listOf(live, (stream) => stream.viewers),
    streams_viewers_omitted: omitted(live),
    streams_synchronization: listOf(both, (stream) => audioVideoOffsetMs(stream, nowMs)),
    streams_synchronization_omitted: omitted(both),
  };
}

/** Live streams, those with the most viewers first. */
function liveStreams(deps: StatSources['deps']): readonly Stream[] {
  return [...deps.streams.all()].filter((stream) => stream.live).sort((a, b) => b.viewers - a.viewers);
}

function listOf(all: readonly Stream[], value: (stream: Stream) => number): StatList {
  return new Map(all.slice(0, MAX_LISTED_STREAMS).map((stream) => [stream.name, value(stream)]));
}

function omitted(all: readonly Stream[]): number {
  return Math.max(0, all.length - MAX_LISTED_STREAMS);
}

function degraded({ deps }: StatSources): StatValues {
  const health = streamHealth(deps.streams, deps.sessions);
  return { degraded_streams: health.degraded, degraded_streams_percent: rounded(health.degradedPercent) };
}

function buffers({ deps }: StatSources): StatValues {
  const live = liveStreams(deps);
  const { queuedBytes } = streamHealth(deps.streams, deps.sessions);
  return {
    buffer_queued_bytes: queuedBytes,
    buffer_stream_bytes: listOf(live, (stream) => stream.log.bytes),
    buffer_stream_bytes_omitted: omitted(live),
  };
}

/**
 * WCS tells the Java machine; its keys are filled with what is alike in Node: one thread runs the program, the committed
 * memory is what the process holds of the machine's, the usage is in percent of all processors.
 */
function core({ vitals, machine }: StatSources): StatValues {
  const facts = machine.facts();
  const { delay, utilization, cpu } = vitals.load();
  const { rss, heapTotal, heapUsed, external } = process.memoryUsage();
  return {
    core_threads: facts.threads,
    core_java_threads: 1,
    core_java_threads_blocked: 0,
    core_java_committedMemory: rss,
    core_java_freePhysicalMemorySize: facts.freeMemoryBytes,
    core_java_totalPhysicalMemorySize: facts.memoryBytes,
    core_java_cpu_usage: rounded((cpu * 100) / facts.processors),
    core_java_uptime: Math.round(process.uptime() * 1000),
    core_heap_memory_usage: heapUsed,
    core_heap_memory_committed: heapTotal,
    core_external_memory_usage: external,
    core_event_loop_delay_mean: rounded(delay.meanMs),
    core_event_loop_delay_p99: rounded(delay.p99Ms),
    core_event_loop_delay_max: rounded(delay.maxMs),
    core_event_loop_utilization: rounded(utilization * 100),
    ...Object.fromEntries(Object.entries(vitals.gc).map(([kind, { count }]) => [`core_gc_${kind}_count`, count])),
    ...Object.fromEntries(
      Object.entries(vitals.gc).map(([kind, { seconds }]) => [`core_gc_${kind}_time`, Math.round(seconds * 1000)]),
    ),
  };
}

/** Of the machine; with the keys of very old builds, which the load balancers of their time read. */
function system({ vitals, machine }: StatSources): StatValues {
  const facts = machine.facts();
  const processLoad = vitals.load().cpu / facts.processors;
  return {
    system_memory_total: facts.memoryBytes,
    system_memory_free: facts.freeMemoryBytes,
    system_java_cpu_usage: rounded(processLoad * 100),
    system_cpu_usage: rounded(facts.cpuLoad * 100),
    system_load_average: rounded(facts.loadAverage),
    ...oldKeys(facts, processLoad),
  };
}

function oldKeys(facts: MachineFacts, processLoad: number): StatValues {
  return {
    committedMemory: process.memoryUsage.rss(),
    freePhysicalMemorySize: facts.freeMemoryBytes,
    arch: facts.arch,
    availableProcessors: facts.processors,
    freeSwapSpaceSize: facts.freeSwapBytes,
    maxFileDescriptorCount: facts.maxOpenFiles,
    openFileDescriptorCount: facts.openFiles,
    processCpuLoad: rounded(processLoad),
    systemCpuLoad: rounded(facts.cpuLoad),
    systemLoadAverage: rounded(facts.loadAverage),
    totalPhysicalMemorySize: facts.memoryBytes,
    totalSwapSpaceSize: facts.swapBytes,
  };
}

function rounded(value: number): number {
  return Math.round(value * 1000) / 1000;
}

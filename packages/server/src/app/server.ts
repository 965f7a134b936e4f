import { existsSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import type { SettingsBody } from '@sluice/contract';
import { missingAddon } from '@sluice/native';
import {
  type ControlDeps,
  ControlServer,
  DEFAULT_CONTROL_OPTIONS,
  PrometheusCounters,
  SignallingServer,
  USERS_FILE,
  Users,
} from '../control/index.ts';
import {
  Adaptations,
  ConnectionRegistry,
  type Converter,
  type Log,
  RecentEndings,
  SessionRegistry,
  StreamRegistry,
} from '../core/index.ts';
import { Engine } from '../engine/index.ts';
import { type HttpMount, Ticker, type TlsIdentity } from '../io/index.ts';
import { FlvServer } from '../protocols/flv/index.ts';
import { HlsServer } from '../protocols/hls/index.ts';
import type { WebRtcOptions } from '../protocols/webrtc/index.ts';
import { AutoSnapshots, SnapshotMount, SnapshotServer } from '../snapshots/index.ts';
import { VodResolver } from '../vod/index.ts';
import { makeAccess, secretFields } from './access.ts';
import { accessNotes } from './access-notes.ts';
import { makeRtmp, makeRtsp, makeSrt, makeTransportStreams } from './doors.ts';
import { hlsOptions } from './hls-options.ts';
import { MachineLoad } from './machine-load.ts';
import { keepYoungGenerationSmall } from './memory.ts';
import { warnOfMissingAddon } from './missing-addon.ts';
import { makeMse } from './mse-options.ts';
import { makeOutboundGuard } from './outbound-options.ts';
import { PACKAGE_FOLDER } from './package-folder.ts';
import { engineOptions, flvOptions } from './protocol-options.ts';
import { makeRecording } from './recording-options.ts';
import { makeRelays, type RelayParts, relayProtocols } from './relay-options.ts';
import { makeRenditions } from './rendition-options.ts';
import { sampleRates } from './sampled-rates.ts';
import type { Settings } from './settings/index.ts';
import { signallingOptions } from './signalling-options.ts';
import { autoSnapshotOptions, snapshotMountOptions, snapshotOptions } from './snapshot-options.ts';
import { makeDownloads, makeStorage, storageOptions } from './storage-options.ts';
import { describeStream } from './stream-details.ts';
import { tlsIdentity } from './tls-identity.ts';
import { serverUrls } from './urls.ts';
import { serverVersion } from './version.ts';
import { vodOptions } from './vod-options.ts';
import { checkMediaAddress, makeWebRtc } from './webrtc-doors.ts';
import { webRtcOptions } from './webrtc-options.ts';

export interface StartOptions {
  readonly settings: Settings;
  /** Folder for everything that the server keeps. */
  readonly dataDir: string;
  /** Publish the stream `demo` from the clip that comes with the server. */
  readonly demo: boolean;
  readonly log: Log;
  /** What the console shows of the log and the settings. */
  readonly recentLog?: ControlDeps['recentLog'];
  readonly settingsView?: SettingsBody | undefined;
}

export interface RunningServer {
  /** Addresses to tell a person, in the order of their use. */
  readonly urls: readonly { readonly what: string; readonly url: string }[];
  /** Further lines for that person alone, maybe with a password: never for the log. */
  readonly notes: readonly string[];
  /** Ends everything in order: listeners, sessions, publishers. Idempotent. */
  close(): Promise<void>;
}

interface Part {
  start?(): Promise<void>;
  close(): Promise<void>;
}

const DEMO_STREAM = 'demo';
const DEMO_CLIP = join(PACKAGE_FOLDER, '../../assets/demo.mp4');
const CONSOLE_DIR = join(PACKAGE_FOLDER, '../../apps/console/dist');

/**
 * Builds the server from its parts and starts them.
 * @throws MediaServerError for what can't work with these settings, such as a port in use; nothing is left open then
 */
export async function startServer(options: StartOptions): Promise<RunningServer> {
  const { settings, log } = options;
  keepYoungGenerationSmall();
  warnOfMissingAddon(log, missingAddon());
  const elsewhere = storageOptions(settings);
  const hub = await makeHub(options);
  const storage = makeStorage(elsewhere, hub);
  const vod = new VodResolver(hub, vodOptions(settings, options.dataDir, storage.stores));
  let relays: RelayParts | undefined;
  const release = async (parts: readonly Part[]): Promise<void> => {
    try {
      // What pulls and pushes first: it would find streams ending, and try again.
      await relays?.close();
      await closeAll([vod, storage, hub.snapshots, ...parts]);
      await hub.recording.close();
    } finally {
      // What ended just now is still to be told.
      await hub.access.close();
      hub.applications.close();
      hub.gatekeeper.close();
      hub.adaptations.close();
      await hub.engine.close();
      hub.streams.close();
    }
  };
  const parts: Part[] = [];
  let servers: Awaited<ReturnType<typeof makeServers>>;
  let webrtc: WebRtcOptions | undefined;
  let notes: readonly string[];
  try {
    await hub.users.start();
    hub.recording.start();
    storage.start();
    webrtc = await webRtcOptionsOf(options);
    const protocols = relayProtocols(settings, hub, webrtc);
    relays = makeRelays(settings, hub, { protocols, resolvers: [vod] });
    servers = await makeServers(options, hub, { vod, relays, webrtc });
    // WebRTC before those who ask it for answers.
    for (const part of Object.values(servers) as (Part | undefined)[]) {
      if (part === undefined) continue;
      parts.push(part);
      await part.start?.();
    }
    if (options.demo) await startDemo(vod, log);
    relays.start();
    // Last, because a start that fails would take the password along.
    notes = servers.control === undefined ? [] : await accessNotes(settings, hub);
  } catch (error) {
    await release(parts);
    throw error;
  }
  if (webrtc !== undefined && servers.webrtc !== undefined)
    void checkMediaAddress(settings, servers.webrtc, { options: webrtc, log });
  const sampling = [sampleRates(hub.streams, hub.ticker), hub.load.watch(hub.ticker)];
  let closing: Promise<void> | undefined;
  return {
    urls: serverUrls(settings, options.demo ? DEMO_STREAM : 'NAME', portsOf(servers)),
    notes,
    close: () => {
      closing ??= (async () => {
        for (const one of sampling) one[Symbol.dispose]();
        await release(parts);
      })();
      return closing;
    },
  };
}

type Hub = Awaited<ReturnType<typeof makeHub>>;

async function makeHub({ settings, dataDir, log }: StartOptions) {
  const streams = new StreamRegistry({
    reconnectWaitMs: settings.publisher_reconnect_wait,
    maxStreams: settings.max_streams,
    stream: { gopCacheMaxMs: settings.gop_cache_duration, gopCacheMaxBytes: settings.gop_cache_bytes },
  });
  const counters = new PrometheusCounters();
  const endings = new RecentEndings();
  // Pictures of streams need it too, where nothing is converted for players. It starts no process before it is used.
  const engine = new Engine(engineOptions(settings), { log, counters });
  const converter: Converter | undefined = settings.transcoding_disabled ? undefined : engine;
  const adaptations = new Adaptations({ converter, log, counters });
  const recording = await makeRecording(settings, dataDir, { streams, adaptations, log, counters });
  const { recorder } = recording;
  const load = new MachineLoad();
  const machineIsBusy = (): boolean => load.isBusy;
  const renditions = await makeRenditions(settings, { dataDir, adaptations, converter, machineIsBusy, log });
  const outbound = makeOutboundGuard(settings);
  const parts = { settings, dataDir, streams, endings, recorder: () => recorder, outbound, log, counters };
  const controls = makeAccess(parts);
  return {
    streams,
    sessions: new SessionRegistry(),
    connections: new ConnectionRegistry(),
    endings,
    ...controls,
    users: new Users(join(dataDir, USERS_FILE), log),
    adaptations,
    renditions,
    converter,
    engine,
    snapshots: new SnapshotServer({ streams, pictures: engine.pictures, log, counters }, snapshotOptions(settings)),
    recording,
    recorder,
    outbound,
    log,
    counters,
    ticker: new Ticker(),
    load,
  };
}

/** Where streams come from besides publishers, and options that several parts share. */
interface Sources {
  readonly vod: VodResolver;
  readonly relays: RelayParts;
  readonly webrtc: WebRtcOptions | undefined;
}

/** Undefined when WebRTC is off. */
async function webRtcOptionsOf({ settings, dataDir }: StartOptions): Promise<WebRtcOptions | undefined> {
  if (settings.media_port_from === 0) return undefined;
  return webRtcOptions(settings, { dataDir, host: listenAddress(settings.bind_address) });
}

/** All that listens, in the order in which it is started; undefined for what is off. */
async function makeServers(options: StartOptions, hub: Hub, sources: Sources) {
  const { settings, dataDir } = options;
  const {
    vod,
    relays: { relays, resolver },
  } = sources;
  const host = listenAddress(settings.bind_address);
  const deps = { ...hub, resolvers: [vod, resolver] };
  const identity = await identityFor(options);
  const place = { dataDir, host, identity };
  const rtmp = makeRtmp(settings, deps, place);
  const rtsp = makeRtsp(settings, deps, place);
  const transportStreams = makeTransportStreams(settings, deps, place);
  const srt = makeSrt(settings, deps, place);
  const hlsSettings = hlsOptions(settings, place);
  const hls = hlsSettings && new HlsServer(deps, hlsSettings);
  const web = settings['http.port'] !== 0;
  const allowsOrigin = (origin: string | undefined): boolean => hub.gatekeeper.allowsOrigin(origin);
  const flv = settings.flv_enabled && web ? new FlvServer(deps, { ...flvOptions(settings), allowsOrigin }) : undefined;
  const mse = makeMse(settings, deps, allowsOrigin);
  const { webrtc, turn, whip, whep } = makeWebRtc(settings, deps, { ...place, webrtc: sources.webrtc, allowsOrigin });
  if (webrtc === undefined && settings['ws.port'] !== 0)
    options.log.warn({}, 'media_port_from=0 turns WebRTC off, and with it the Web SDK, WHIP and WHEP');
  const signalling =
    webrtc !== undefined && (settings['ws.port'] !== 0 || settings['wss.port'] !== 0)
      ? new SignallingServer(
          { ...hub, relays, peers: webrtc, mediaSockets: mse?.gateway, allowsOrigin },
          signallingOptions(settings, { host, identity }),
        )
      : undefined;
  const pictures =
    settings.snapshot_http_enabled && web
      ? new SnapshotMount(hub, snapshotMountOptions(settings, allowsOrigin))
      : undefined;
  const autoOptions = autoSnapshotOptions(settings, dataDir);
  const autoSnapshots = autoOptions && new AutoSnapshots(hub, autoOptions);
  const downloads = web ? makeDownloads(settings, dataDir, hub) : undefined;
  const mounts = [flv, mse?.mount, whip, whep, pictures, downloads].filter((mount) => mount !== undefined);
  const ports = () => ({
    rtmp: rtmp?.port ?? 0,
    hls: hls?.port ?? 0,
    ws: signalling?.port ?? 0,
    wss: signalling?.securePort ?? 0,
    rtsp: rtsp?.port ?? 0,
    srt: srt?.port ?? 0,
    webrtc: whip !== undefined,
    hlsSecure: hls?.securePort ?? 0,
    mse: mse?.mount !== undefined && web,
    lowLatencyHls: hlsSettings?.lowLatency === true,
    dash: hlsSettings?.dash === true,
    hlsLadder: hub.renditions.enabled('hls'),
  });
  const control = web
    ? makeControl(
        options,
        { ...hub, hls: hls?.packaging, fileStreams: vod, relays, transportStreams, rooms: signalling?.rooms },
        { host, identity, mounts, ports },
      )
    : undefined;
  return {
    rtmp,
    rtsp,
    transportStreams,
    srt,
    hls,
    flv,
    mse,
    webrtc,
    turn,
    whip,
    whep,
    signalling,
    pictures,
    autoSnapshots,
    downloads,
    control,
  };
}

/** The certificate of the TLS ports, where one of them is on. */
async function identityFor({ settings, dataDir, log }: StartOptions): Promise<TlsIdentity | undefined> {
  const needed =
    settings['https.port'] !== 0 ||
    settings['wss.port'] !== 0 ||
    settings['hls.https.port'] !== 0 ||
    settings['rtmps.port'] !== 0 ||
    settings['rtsps.port'] !== 0 ||
    (settings.turn_enabled && settings.turns_port !== 0 && settings.media_port_from !== 0) ||
    settings.rtmps_listen.length > 0;
  if (!needed) return undefined;
  return tlsIdentity({
    certificateFile: settings.tls_certificate,
    privateKeyFile: settings.tls_private_key,
    dataDir,
    host: settings.ip,
    log,
  });
}

function makeControl(
  { settings, demo, recentLog, settingsView }: StartOptions,
  hub: Hub & Pick<ControlDeps, 'hls' | 'fileStreams' | 'relays' | 'transportStreams' | 'rooms'>,
  parts: {
    readonly host: string;
    readonly identity: TlsIdentity | undefined;
    readonly mounts: readonly HttpMount[];
    readonly ports: ControlDeps['ports'];
  },
): ControlServer {
  const deps = {
    ...hub,
    version: serverVersion(),
    consoleDir: CONSOLE_DIR,
    describeTrack: describeStream,
    ports: parts.ports,
    demoStreamName: demo ? DEMO_STREAM : undefined,
    mounts: parts.mounts,
    recentLog,
    settingsView: settingsView && (() => settingsView),
    maxStreams: settings.max_streams,
    secretFields: secretFields(settings),
    conversionBudget: () => hub.converter?.budget?.(),
    pushPrefix: settings.rtmp_transponder_stream_name_prefix,
    agentScheme: settings.wcs_agent_ssl ? 'wss' : 'ws',
  } as const;
  const { identity } = parts;
  return new ControlServer(deps, {
    ...DEFAULT_CONTROL_OPTIONS,
    host: parts.host,
    port: settings['http.port'],
    https:
      settings['https.port'] === 0 || identity === undefined ? undefined : { port: settings['https.port'], identity },
    allowOrigin: settings.rest_access_control_allow_origin,
    allowHeaders: settings.rest_access_control_allow_headers,
    allowMethods: settings.rest_access_control_allow_methods,
    disableRestAuth: settings.disable_rest_auth,
    maxConnections: settings.http_max_connections,
    accessControlHeaders: settings.rest_access_control_headers || undefined,
    terminateAllEnabled: settings.rest_terminate_all_enabled,
    jobs: {
      maxWaitMs: settings.jobs_max_prefer_wait_time * 1000,
      maxTimeoutMs: settings.jobs_max_prefer_timeout * 1000,
    },
  });
}

function portsOf({ rtmp, rtsp, srt, hls, control, signalling }: Awaited<ReturnType<typeof makeServers>>) {
  return {
    http: control?.port,
    https: control?.securePort,
    rtmp: rtmp?.port,
    rtmps: rtmp?.securePort,
    rtsp: rtsp?.port,
    srt: srt?.port,
    hls: hls?.port,
    ws: signalling?.port,
    wss: signalling?.securePort,
  };
}

async function startDemo(vod: VodResolver, log: Log): Promise<void> {
  if (!existsSync(DEMO_CLIP)) return log.warn({ file: DEMO_CLIP }, 'no demo clip, the stream "demo" is left out');
  await vod.playForEver(DEMO_STREAM, DEMO_CLIP);
}

/** All addresses, or those of IPv4 only where the machine has no IPv6. */
function listenAddress(address: string): string {
  const hasIpv6 = Object.values(networkInterfaces()).some((list) => list?.some((entry) => entry.family === 'IPv6'));
  return address === '::' && !hasIpv6 ? '0.0.0.0' : address;
}

/** Closes every part, whatever the others do; the first error is thrown at the end. */
async function closeAll(parts: readonly Pick<Part, 'close'>[]): Promise<void> {
  const results = await Promise.allSettled(parts.map((part) => part.close()));
  for (const result of results) if (result.status === 'rejected') throw result.reason;
}

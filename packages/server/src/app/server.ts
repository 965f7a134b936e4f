import { existsSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { audioFormat, codecString, pictureSize, videoSize } from '@sluice/media';
import { ControlServer, DEFAULT_CONTROL_OPTIONS, PrometheusCounters, type StreamDetails } from '../control/index.ts';
import {
  Adaptations,
  ConnectionRegistry,
  type Log,
  SessionRegistry,
  type Stream,
  StreamRegistry,
} from '../core/index.ts';
import { Ticker } from '../io/index.ts';
import { type FlvOptions, FlvServer } from '../protocols/flv/index.ts';
import { HlsServer, resolveHlsOptions } from '../protocols/hls/index.ts';
import { RtmpServer } from '../protocols/rtmp/index.ts';
import { VodResolver } from '../vod/index.ts';
import { keepYoungGenerationSmall } from './memory.ts';
import { rtmpAddresses, rtmpOptions } from './rtmp-options.ts';
import { parseHeaderList, type Settings } from './settings/index.ts';
import { tlsIdentity } from './tls-identity.ts';
import { serverVersion } from './version.ts';

export interface StartOptions {
  readonly settings: Settings;
  /** Folder for everything that the server keeps. */
  readonly dataDir: string;
  /** Publish the stream `demo` from the clip that comes with the server. */
  readonly demo: boolean;
  readonly log: Log;
}

export interface RunningServer {
  /** Addresses to tell a person, in the order of their use. */
  readonly urls: readonly { readonly what: string; readonly url: string }[];
  /** Ends everything in order: listeners, sessions, publishers. Idempotent. */
  close(): Promise<void>;
}

interface Part {
  close(): Promise<void>;
}

const DEMO_STREAM = 'demo';
const DEMO_CLIP = fileURLToPath(new URL('../../../../assets/demo.mp4', import.meta.url));
const CONSOLE_DIR = fileURLToPath(new URL('../../../../apps/console/dist', import.meta.url));
/** A file that nobody watches any more is kept playing for this long, so that a reload finds it. */
const VOD_IDLE_MS = 30_000;
const SAMPLE_INTERVAL_MS = 1000;

/**
 * Builds the server from its parts and starts them.
 * @throws MediaServerError for what can't work with these settings, such as a port in use; nothing is left open then
 */
export async function startServer(options: StartOptions): Promise<RunningServer> {
  const { settings, log } = options;
  keepYoungGenerationSmall();
  const hub = makeHub(options);
  const host = listenAddress(settings.bind_address);
  const vod = new VodResolver(hub, {
    mediaDir: resolve(options.dataDir, settings.media_dir),
    idleTimeoutMs: VOD_IDLE_MS,
  });
  const deps = { ...hub, resolvers: [vod] };
  const rtmp = await makeRtmp(options, deps, host);
  const hls = settings['hls.port'] === 0 ? undefined : new HlsServer(deps, hlsOptions(settings, host));
  const withFlv = settings.flv_enabled && settings['http.port'] !== 0;
  const flv = withFlv ? new FlvServer(deps, flvOptions(settings)) : undefined;
  const control = settings['http.port'] === 0 ? undefined : makeControl(options, { hub, host, rtmp, hls, flv });
  const parts: Part[] = [];
  try {
    for (const part of [rtmp, hls, flv, control]) {
      if (part === undefined) continue;
      parts.push(part);
      await part.start();
    }
    if (options.demo) await startDemo(vod, log);
  } catch (error) {
    await closeAll([...parts, vod]);
    throw error;
  }
  const sampling = sampleRates(hub.streams, hub.ticker);
  let closing: Promise<void> | undefined;
  return {
    urls: urlsFor(options, { http: control?.port, rtmp: rtmp?.port, rtmps: rtmp?.securePort, hls: hls?.port }),
    close: () => {
      closing ??= (async () => {
        sampling[Symbol.dispose]();
        await closeAll([vod, ...parts]);
        hub.adaptations.close();
        hub.streams.close();
      })();
      return closing;
    },
  };
}

function makeHub({ settings, log }: StartOptions) {
  const streams = new StreamRegistry({
    reconnectWaitMs: settings.publisher_reconnect_wait,
    maxStreams: settings.max_streams,
    stream: { gopCacheMaxMs: settings.gop_cache_duration, gopCacheMaxBytes: settings.gop_cache_bytes },
  });
  const counters = new PrometheusCounters();
  return {
    streams,
    sessions: new SessionRegistry(),
    connections: new ConnectionRegistry(),
    adaptations: new Adaptations({ converter: undefined, log, counters }),
    log,
    counters,
    ticker: new Ticker(),
  };
}

function makeControl(
  { settings, demo }: StartOptions,
  parts: {
    hub: ReturnType<typeof makeHub>;
    host: string;
    rtmp: RtmpServer | undefined;
    hls: HlsServer | undefined;
    flv: FlvServer | undefined;
  },
): ControlServer {
  const deps = {
    ...parts.hub,
    version: serverVersion(),
    consoleDir: CONSOLE_DIR,
    describeTrack: describeStream,
    ports: () => ({ rtmp: parts.rtmp?.port ?? 0, hls: parts.hls?.port ?? 0 }),
    demoStreamName: demo ? DEMO_STREAM : undefined,
    mounts: parts.flv === undefined ? [] : [parts.flv],
  };
  return new ControlServer(deps, {
    ...DEFAULT_CONTROL_OPTIONS,
    host: parts.host,
    port: settings['http.port'],
    allowOrigin: settings.rest_access_control_allow_origin,
    allowHeaders: settings.rest_access_control_allow_headers,
    allowMethods: settings.rest_access_control_allow_methods,
    accessControlHeaders: settings.rest_access_control_headers || undefined,
  });
}

async function makeRtmp(
  { settings, dataDir, log }: StartOptions,
  deps: ConstructorParameters<typeof RtmpServer>[0],
  host: string,
): Promise<RtmpServer | undefined> {
  const listen = rtmpAddresses(settings, host);
  if (listen.length === 0) return undefined;
  const tls = listen.some((address) => address.secure === true)
    ? await tlsIdentity({
        certificateFile: settings.tls_certificate,
        privateKeyFile: settings.tls_private_key,
        dataDir,
        host: settings.ip,
        log,
      })
    : undefined;
  return new RtmpServer(deps, rtmpOptions(settings, { dataDir, listen, tls }));
}

/** FLV is played on the web port, so what that tells browsers of other origins holds for it too. */
function flvOptions(settings: Settings): Partial<FlvOptions> {
  const list = parseHeaderList(settings.rest_access_control_headers);
  const headers: FlvOptions['headers'] = [
    ['Access-Control-Allow-Origin', settings.rest_access_control_allow_origin],
    ['Access-Control-Allow-Headers', settings.rest_access_control_allow_headers],
  ];
  return {
    maxViewers: settings.flv_max_viewers,
    playWaitMs: settings.flv_play_wait,
    viewerStallTimeoutMs: settings.flv_viewer_stall_timeout,
    viewerWriteBytes: settings.flv_viewer_buffer,
    flushIntervalMs: settings.flv_flush_interval,
    headers: list.length > 0 ? list : headers,
    keepAlive: settings['keep_alive.enabled'].includes('websocket') && settings['keep_alive.algorithm'] !== 'NONE',
    keepAliveIntervalMs: settings['keep_alive.server_interval'],
    keepAliveProbes: settings['keep_alive.probes'],
  };
}

function hlsOptions(settings: Settings, host: string) {
  return resolveHlsOptions({
    host,
    port: settings['hls.port'],
    listSize: settings.hls_list_size,
    segmentMinMs: settings.hls_time_min,
    maxSegmentMs: settings.hls_max_segment_time,
    container: settings.hls_container === 'ts' ? 'ts' : 'fmp4',
    autoStart: settings.hls_auto_start,
    providerTimeoutMs: settings.hls_manager_provider_timeout * 1000,
    maxBytes: settings.hls_memory_limit,
    startWaitMs: settings.hls_start_wait,
    extraHeaders: parseHeaderList(settings.hls_access_control_headers),
  });
}

async function startDemo(vod: VodResolver, log: Log): Promise<void> {
  if (!existsSync(DEMO_CLIP)) return log.warn({ file: DEMO_CLIP }, 'no demo clip, the stream "demo" is left out');
  await vod.play(DEMO_STREAM, DEMO_CLIP);
}

/** All addresses, or those of IPv4 only where the machine has no IPv6. */
function listenAddress(address: string): string {
  const hasIpv6 = Object.values(networkInterfaces()).some((list) => list?.some((entry) => entry.family === 'IPv6'));
  return address === '::' && !hasIpv6 ? '0.0.0.0' : address;
}

/** Closes every part, whatever the others do; the first error is thrown at the end. */
async function closeAll(parts: readonly Part[]): Promise<void> {
  const results = await Promise.allSettled(parts.map((part) => part.close()));
  for (const result of results) if (result.status === 'rejected') throw result.reason;
}

function sampleRates(streams: StreamRegistry, ticker: Ticker): Disposable {
  let last = 0;
  return ticker.on((now) => {
    if (now - last < SAMPLE_INTERVAL_MS) return;
    last = now;
    for (const stream of streams.all()) {
      stream.videoRate.sample(now);
      stream.audioRate.sample(now);
    }
  });
}

/** Reads what only a bitstream parser can tell; what can't be parsed is left out. */
function describeStream(stream: Stream): StreamDetails {
  const { video, audio } = stream.state;
  const size = video && (videoSize(video) ?? sizeOfNewestKeyFrame(stream));
  const format = audio && audioFormat(audio);
  return {
    video: size && { width: size.width, height: size.height, codecString: video && codecString(video) },
    audio: format && { ...format, codecString: audio && codecString(audio) },
  };
}

/** For codecs that say the size in their key frames only. */
function sizeOfNewestKeyFrame({ log }: Stream): { width: number; height: number } | undefined {
  const packet = log.at(log.lastStartPoint)?.packet;
  return packet && pictureSize(packet);
}

function urlsFor(
  { settings, demo }: StartOptions,
  ports: Readonly<Partial<Record<'http' | 'rtmp' | 'rtmps' | 'hls', number | undefined>>>,
): RunningServer['urls'] {
  const host = settings.ip || 'localhost';
  const name = demo ? DEMO_STREAM : 'NAME';
  const urls: { what: string; url: string }[] = [];
  if (ports.http !== undefined) urls.push({ what: 'Open in a browser', url: `http://${host}:${ports.http}/` });
  if (ports.rtmp) {
    urls.push({ what: 'Publish (OBS server)', url: `rtmp://${host}:${ports.rtmp}/live  with any stream key` });
    urls.push({ what: 'Play by RTMP', url: `rtmp://${host}:${ports.rtmp}/live/${name}` });
  }
  if (ports.rtmps) urls.push({ what: 'Publish by RTMPS', url: `rtmps://${host}:${ports.rtmps}/live` });
  if (ports.http !== undefined && settings.flv_enabled)
    urls.push({ what: 'Play by HTTP-FLV', url: `http://${host}:${ports.http}/flv/${name}.flv` });
  if (ports.hls !== undefined)
    urls.push({ what: 'Play by HLS', url: `http://${host}:${ports.hls}/${name}/${name}.m3u8` });
  return urls;
}

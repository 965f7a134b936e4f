import type { ProtocolDeps } from '../core/index.ts';
import type { Engine } from '../engine/index.ts';
import type { Ticker, TlsIdentity } from '../io/index.ts';
import { SrtServer, srtInputs, TransportStreamServer } from '../protocols/mpegts/index.ts';
import { RtmpServer } from '../protocols/rtmp/index.ts';
import { RtspServer } from '../protocols/rtsp/index.ts';
import { firstAddress } from './access.ts';
import { srtServerOptions, transportStreamOptions } from './mpegts-options.ts';
import { rtmpAddresses, rtmpOptions } from './rtmp-options.ts';
import { rtspAddresses, rtspServerOptions } from './rtsp-options.ts';
import type { Settings } from './settings/index.ts';

/** What is given to servers of protocols with connections of their own. */
export interface DoorDeps extends ProtocolDeps {
  readonly ticker: Ticker;
  readonly engine: Engine;
}

export interface DoorPlace {
  readonly dataDir: string;
  /** Address to listen at. */
  readonly host: string;
  readonly identity: TlsIdentity | undefined;
}

/** Undefined when RTMP is off. */
export function makeRtmp(settings: Settings, deps: DoorDeps, place: DoorPlace): RtmpServer | undefined {
  const listen = rtmpAddresses(settings, place.host);
  if (listen.length === 0) return undefined;
  return new RtmpServer(deps, rtmpOptions(settings, { dataDir: place.dataDir, listen, tls: place.identity }));
}

/** Undefined when RTSP is off. */
export function makeRtsp(settings: Settings, deps: DoorDeps, { host, identity }: DoorPlace): RtspServer | undefined {
  const listen = rtspAddresses(settings, host);
  if (listen.length === 0) return undefined;
  return new RtspServer(deps, rtspServerOptions(settings, { host, listen, tls: identity }));
}

/** Ports for transport streams, which open by calls. */
export function makeTransportStreams(settings: Settings, deps: DoorDeps, { host }: DoorPlace): TransportStreamServer {
  const openSrt = srtInputs({ ...deps, srt: deps.engine.srt });
  const options = transportStreamOptions(settings, { address: host, host: settings.ip || firstAddress() });
  const { srt_latency: usualMs } = settings;
  return new TransportStreamServer(
    { ...deps, openSrt: (open, events) => openSrt({ ...open, latencyMs: open.latencyMs ?? usualMs }, events) },
    options,
  );
}

/** Undefined when the SRT port for all streams is off. */
export function makeSrt(settings: Settings, deps: DoorDeps, { host }: DoorPlace): SrtServer | undefined {
  if (settings['srt.port'] === 0) return undefined;
  return new SrtServer({ ...deps, srt: deps.engine.srt }, srtServerOptions(settings, host));
}

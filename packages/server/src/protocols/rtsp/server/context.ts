import type { ProtocolDeps } from '../../../core/index.ts';
import type { RateLimiter, Ticker, TickListener } from '../../../io/index.ts';
import type { RtspServerOptions } from './options.ts';
import type { Places } from './places.ts';
import type { Tunnels } from './tunnels.ts';
import type { UdpPorts } from './udp-ports.ts';

export interface RtspServerDeps extends ProtocolDeps {
  readonly ticker: Ticker;
}

/** What a connection asks of the server that owns it. */
export interface RtspContext extends RtspServerDeps {
  readonly options: RtspServerOptions;
  /** Limits the log lines about clients that were refused or dropped. */
  readonly faults: RateLimiter;
  readonly places: Places;
  /** Undefined where media goes over the connection only. */
  readonly udp: UdpPorts | undefined;
  readonly tunnels: Tunnels;
  /** Calls about every 20 ms, until the result is disposed of. */
  everyTick(listener: TickListener): Disposable;
}

import type { Registry } from 'prom-client';
import type { ConnectionRegistry, SessionRegistry } from '../../core/index.ts';
import { counter, gauge } from './metric.ts';

export interface SessionMetricsDeps {
  readonly sessions: SessionRegistry;
  readonly connections: ConnectionRegistry;
}

/** What publications, playbacks and connections do, by protocol. */
export class SessionMetrics {
  readonly #deps: SessionMetricsDeps;
  readonly #active;
  readonly #opened;
  readonly #bytes;
  readonly #packets;
  readonly #lost;
  readonly #drops;
  readonly #queue;
  readonly #connections;

  constructor(deps: SessionMetricsDeps, registry: Registry) {
    this.#deps = deps;
    const kind = ['protocol', 'media_type'];
    this.#active = gauge(registry, 'sluice_sessions', 'publications and playbacks of this moment', kind);
    this.#opened = counter(registry, 'sluice_sessions_opened_total', 'publications and playbacks so far', kind);
    this.#bytes = counter(registry, 'sluice_session_bytes_total', 'bytes received from and sent to peers', [
      ...kind,
      'direction',
    ]);
    const packets = 'packets received from publishers, or sent to players where the protocol can tell';
    this.#packets = counter(registry, 'sluice_session_packets_total', packets, kind);
    const lost = 'packets that the network lost on the way from publishers or to players, where the protocol can tell';
    this.#lost = counter(registry, 'sluice_session_lost_packets_total', lost, kind);
    const drops = 'packets that did not go through, by reason';
    this.#drops = counter(registry, 'sluice_session_drops_total', drops, ['protocol', 'reason']);
    const queue = 'bytes that wait in the server for the peers of this moment';
    this.#queue = gauge(registry, 'sluice_session_queue_bytes', queue, ['protocol']);
    this.#connections = gauge(registry, 'sluice_connections', 'lasting connections of clients', ['protocol']);
  }

  refresh(): void {
    const { sessions, connections } = this.#deps;
    const metrics = [this.#active, this.#opened, this.#bytes, this.#packets, this.#lost, this.#drops, this.#queue];
    for (const metric of metrics) metric.reset();
    for (const total of sessions.totals()) {
      const labels = { protocol: total.protocol, media_type: total.mediaType };
      this.#active.set(labels, total.active);
      this.#queue.inc({ protocol: total.protocol }, total.queuedBytes);
      this.#opened.inc(labels, total.opened);
      this.#packets.inc(labels, total.packets);
      this.#lost.inc(labels, total.lostPackets);
      this.#bytes.inc({ ...labels, direction: 'in' }, total.bytesIn);
      this.#bytes.inc({ ...labels, direction: 'out' }, total.bytesOut);
      for (const [reason, count] of Object.entries(total.drops)) {
        this.#drops.inc({ protocol: total.protocol, reason }, count);
      }
    }
    this.#connections.reset();
    for (const connection of connections.all()) this.#connections.inc({ protocol: connection.describe().protocol });
  }
}

import type { CounterName, Counters } from '../../core/index.ts';
import type { TransportCounters } from './transport/index.ts';

/** The transport's own counts that make up each of the server's. */
const SUMS: Readonly<Partial<Record<CounterName, readonly (keyof TransportCounters)[]>>> = {
  webrtc_datagrams_received: ['received'],
  webrtc_datagrams_sent: ['sent'],
  webrtc_unverified_datagrams: ['unknownSource', 'unknownUfrag', 'contestedAddress', 'unansweredChecks'],
  webrtc_malformed_datagrams: ['unknownProtocol', 'malformedStun'],
  webrtc_tcp_connections: ['tcpConnections'],
  webrtc_tcp_refused: ['tcpRefused', 'tcpUnproved', 'tcpBroken'],
  webrtc_receive_dropped: ['receiveDropped'],
  webrtc_lane_drops: ['laneDrops'],
  webrtc_tcp_dropped_packets: ['tcpDropped'],
  webrtc_send_errors: ['sendErrors', 'socketErrors', 'overflowed'],
};

/** Carries the transport's counts over to the server's. They are plain numbers there, for the sake of its hot path. */
export class TransportMetrics {
  readonly #counters: Counters;
  readonly #told = new Map<CounterName, number>();

  constructor(counters: Counters) {
    this.#counters = counters;
  }

  /** Call every second or so. */
  update(transport: TransportCounters): void {
    for (const [name, parts] of Object.entries(SUMS) as [CounterName, readonly (keyof TransportCounters)[]][]) {
      const sum = parts.reduce((total, part) => total + transport[part], 0);
      const more = sum - (this.#told.get(name) ?? 0);
      this.#told.set(name, sum);
      if (more > 0) this.#counters.count(name, more);
    }
  }
}

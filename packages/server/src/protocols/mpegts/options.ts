import type { PortRange } from './input-port.ts';

/** How transport streams are received. */
export interface TransportStreamOptions {
  /** Address of this machine to listen at. */
  readonly address: string;
  /** Name or address of this server in the URIs that are given out, where a call does not say. */
  readonly host: string;
  /** UDP ports that are given out. */
  readonly ports: PortRange;
  /** A transport stream ends when nothing has come for this long, where the call does not say; milliseconds. */
  readonly timeoutMs: number;
  /** Times that jump by more than this begin anew, where the call does not say; seconds. */
  readonly maxTimestampDiffS: number;
  /** Room that the system is asked for, for datagrams that wait; it may give less (`net.core.rmem_max`). */
  readonly receiveBufferBytes: number;
  /** Another sender is listened to when the one before has been silent for this long, milliseconds. */
  readonly senderSilenceMs: number;
  /** Application of inputs that name none. */
  readonly appKey: string;
}

export const DEFAULT_TRANSPORT_STREAM_OPTIONS: TransportStreamOptions = {
  address: '0.0.0.0',
  host: '127.0.0.1',
  ports: { from: 31_010, to: 31_999 },
  timeoutMs: 90_000,
  maxTimestampDiffS: 1,
  receiveBufferBytes: 8 * 1024 * 1024,
  senderSilenceMs: 1000,
  appKey: 'defaultApp',
};

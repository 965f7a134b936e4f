import type { IncomingMessage } from 'node:http';
import type { FanOutSink } from '../../core/index.ts';
import type { Refusal } from './request.ts';

/** How a viewer is connected: an HTTP answer without end, or a WebSocket. */
export interface Transport {
  readonly mediaProvider: 'HTTP-FLV' | 'WS-FLV';
  /** For addresses, counts and headers; its socket is written to only through the sink. */
  readonly request: IncomingMessage;
  /** Called once when the peer is gone, for whatever reason. */
  onGone: (reason: string) => void;
  /** Says no, before `open`. */
  refuse(refusal: Refusal): void;
  /** Begins the answer. Undefined when there is nothing to send: the peer is gone, or asked for the head only. */
  open(): FanOutSink | undefined;
  /** Called about once a second; gives the reason when the peer is to be dropped. */
  check(nowMs: number): string | undefined;
  /** Ends in good order, after what is unsent; a peer that does not take it is cut off after a while. */
  end(reason: string): void;
  /** Cuts the connection. */
  destroy(): void;
}

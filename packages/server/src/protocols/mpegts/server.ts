import { isIP } from 'node:net';
import {
  MediaServerError,
  type TransportStreamInput,
  type TransportStreamStart,
  type TransportStreams,
} from '../../core/index.ts';
import type { Ticker } from '../../io/index.ts';
import { AllowedSenders } from './allowed-senders.ts';
import type { InputPort, InputPortEvents, InputPortOpen, OpenSrtInput } from './input-port.ts';
import { DEFAULT_TRANSPORT_STREAM_OPTIONS, type TransportStreamOptions } from './options.ts';
import { TransportInput, type TransportInputDeps, type TransportInputSpec } from './transport-input.ts';
import { openUdpInput } from './udp-input.ts';

/** How often inputs are looked after. */
const CHECK_MS = 250;

export interface TransportStreamDeps extends TransportInputDeps {
  readonly ticker: Ticker;
  /** Absent: there is no SRT. */
  readonly openSrt?: OpenSrtInput | undefined;
}

/**
 * Ports that take MPEG transport streams by UDP (plain, or in RTP) and SRT. An input publishes its stream from the call
 * that opens it on; it ends when nothing comes for its timeout, and one of SRT when its sender goes.
 */
export class TransportStreamServer implements TransportStreams {
  readonly #deps: TransportStreamDeps;
  readonly #options: TransportStreamOptions;
  readonly #inputs = new Set<TransportInput>();
  /** Ports that are being opened and closed. */
  readonly #busy = new Set<Promise<void>>();
  #tick: Disposable | undefined;
  #closed = false;

  constructor(deps: TransportStreamDeps, options: Partial<TransportStreamOptions> = {}) {
    this.#deps = deps;
    this.#options = { ...DEFAULT_TRANSPORT_STREAM_OPTIONS, ...options };
  }

  async startup(start: TransportStreamStart): Promise<TransportStreamInput> {
    const open = this.#openOf(start);
    if (this.#closed) throw new MediaServerError('STREAM_LIMIT', 'the server stops');
    const input = new TransportInput(this.#specOf(start), this.#deps, (ended, closed) => this.#onEnd(ended, closed));
    this.#inputs.add(input);
    this.#tick ??= this.#deps.ticker.on((nowMs) => this.#check(nowMs), CHECK_MS);
    const opening = this.#openFor(input, start, open);
    const settled = opening.then(
      () => {},
      () => {},
    );
    this.#busy.add(settled);
    try {
      await opening;
    } finally {
      this.#busy.delete(settled);
    }
    this.#deps.counters.count('mpegts_inputs');
    return input.facts();
  }

  all(): readonly TransportStreamInput[] {
    return Array.from(this.#inputs, (input) => input.facts());
  }

  end(matches: (input: TransportStreamInput) => boolean, reason: string): number {
    const ending = [...this.#inputs].filter((input) => matches(input.facts()));
    for (const input of ending) input.close(reason);
    return ending.length;
  }

  /** Ends all inputs; resolves when their ports are free. Idempotent. */
  async close(reason = 'server stops'): Promise<void> {
    this.#closed = true;
    for (const input of [...this.#inputs]) input.close(reason);
    await Promise.all(this.#busy);
  }

  async #openFor(input: TransportInput, start: TransportStreamStart, open: InputPortOpen): Promise<void> {
    try {
      const port = await this.#openPort(start, open, input);
      input.opened(port);
      if (!input.ended) return;
      await port.close();
    } catch (error) {
      input.close('its port could not be opened');
      throw error;
    }
    throw new MediaServerError('STREAM_NOT_FOUND', `"${start.streamName}" was ended while its port was opened`);
  }

  /** @throws MediaServerError CONFIG_INVALID */
  #openOf({ port, group, allowedList = [], passphrase, latencyMs }: TransportStreamStart): InputPortOpen {
    const { address, ports } = this.#options;
    if (port !== undefined && !(Number.isInteger(port) && port >= 0 && port <= 65_535))
      throw new MediaServerError('CONFIG_INVALID', `port ${port} is none`);
    if (group !== undefined && !isMulticast(group))
      throw new MediaServerError('CONFIG_INVALID', `"${group.slice(0, 64)}" is no multicast group`);
    const allowed = new AllowedSenders(allowedList);
    return { address, ports: port === undefined ? ports : { from: port, to: port }, allowed, passphrase, latencyMs };
  }

  #specOf(start: TransportStreamStart): TransportInputSpec {
    const { timeoutMs, maxTimestampDiffS, appKey, host } = this.#options;
    return {
      streamName: start.streamName,
      transport: start.transport,
      hasVideo: start.hasVideo ?? true,
      hasAudio: start.hasAudio ?? true,
      timeoutMs: start.timeoutMs ?? timeoutMs,
      maxTimestampDiffS: start.maxTimestampDiffS ?? maxTimestampDiffS,
      allowedList: start.allowedList ?? [],
      record: start.record ?? false,
      appKey: start.appKey ?? appKey,
      host: start.group ?? start.host ?? host,
    };
  }

  #openPort(start: TransportStreamStart, open: InputPortOpen, input: TransportInput): Promise<InputPort> {
    const events: InputPortEvents = {
      onSender: (remoteAddress) => input.sender(remoteAddress),
      onData: (bytes) => input.data(bytes),
      onDenied: (count) => input.denied(count),
      onClosed: (reason) => input.close(reason),
    };
    if (start.transport === 'udp') {
      const { receiveBufferBytes, senderSilenceMs } = this.#options;
      const { ticker } = this.#deps;
      const { group } = start;
      const udp = { ...open, group, receiveBufferBytes, senderSilenceMs, ticker };
      return openUdpInput(udp, { ...events, onLost: () => input.lost() });
    }
    const { openSrt } = this.#deps;
    if (openSrt === undefined) throw new MediaServerError('CONFIG_INVALID', 'this server has no SRT');
    return openSrt(open, events);
  }

  #onEnd(input: TransportInput, closed: Promise<void>): void {
    this.#inputs.delete(input);
    const done = closed.finally(() => this.#busy.delete(done));
    this.#busy.add(done);
    if (this.#inputs.size > 0) return;
    this.#tick?.[Symbol.dispose]();
    this.#tick = undefined;
  }

  #check(nowMs: number): void {
    for (const input of this.#inputs) input.check(nowMs);
  }
}

function isMulticast(address: string): boolean {
  const version = isIP(address);
  if (version === 4) return /^2(2[4-9]|3\d)\./.test(address);
  return version === 6 && /^ff/i.test(address);
}

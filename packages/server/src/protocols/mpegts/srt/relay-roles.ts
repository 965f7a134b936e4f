import {
  type Adaptations,
  type AdaptedStream,
  type Counters,
  type FanOut,
  type FanOuts,
  FanOutViewer,
  type PullAttempt,
  type PushAttempt,
  type RelayEnd,
  type RelayLinkFacts,
  type SrtConnection,
} from '../../../core/index.ts';
import { TsFormat } from '../packager.ts';
import { TsToStream } from '../to-stream.ts';
import { tsAcceptance } from './acceptance.ts';
import type { SrtRole } from './relay-link.ts';
import { SrtSink } from './srt-sink.ts';

type Facts = Pick<RelayLinkFacts, 'bytesIn' | 'bytesOut' | 'packets' | 'drops'>;

export interface PullRoleEnv {
  readonly counters: Counters;
  readonly maxTimestampDiffS: number;
}

/** Takes a transport stream into a stream of ours. */
export class SrtPullRole implements SrtRole {
  readonly direction = 'receive';
  readonly streamId: string | undefined;
  readonly #attempt: PullAttempt;
  readonly #env: PullRoleEnv;
  #input: TsToStream | undefined;
  #beganMs = 0;
  #heardMs = 0;

  constructor(attempt: PullAttempt, env: PullRoleEnv) {
    const { remoteStreamName } = attempt;
    this.#attempt = attempt;
    this.#env = env;
    this.streamId = remoteStreamName === undefined ? undefined : `read:${remoteStreamName}`;
  }

  get flows(): boolean {
    return this.#input?.hasMedia === true;
  }

  begin(): void {
    const { stream, events } = this.#attempt;
    const { counters, maxTimestampDiffS } = this.#env;
    this.#beganMs = this.#heardMs = performance.now();
    this.#input = new TsToStream(stream, {
      ...{ counters, maxTimestampDiffS },
      onMedia: () => events.onMedia(),
      onNote: (text) => events.onNote(text),
    });
  }

  onData(bytes: Uint8Array): void {
    this.#heardMs = performance.now();
    this.#input?.push(bytes);
  }

  onWritable(): void {}

  tick(): void {}

  check(nowMs: number): RelayEnd | undefined {
    const { connectTimeoutMs, stallTimeoutMs } = this.#attempt;
    if (!this.flows && nowMs - this.#beganMs > connectTimeoutMs) {
      const bytes = this.#input?.counts.bytes ?? 0;
      return bytes === 0
        ? { code: 'stalled', message: `it sent nothing for ${connectTimeoutMs} ms` }
        : { code: 'invalid', message: 'what it sends by SRT has no picture and no sound that can be used' };
    }
    if (nowMs - this.#heardMs > stallTimeoutMs)
      return { code: 'stalled', message: `nothing has come for ${stallTimeoutMs} ms` };
    return undefined;
  }

  release(): void {
    this.#input?.end();
    this.#input = undefined;
  }

  facts(): Facts {
    const counts = this.#input?.counts;
    return {
      bytesIn: counts?.bytes ?? 0,
      bytesOut: 0,
      packets: counts?.published ?? 0,
      drops: { broken: (counts?.broken ?? 0) + (counts?.brokenUnits ?? 0) },
    };
  }
}

export interface PushRoleEnv {
  readonly counters: Counters;
  readonly adaptations: Adaptations;
  /** What is pushed to several servers is written once. */
  readonly fanOuts: FanOuts;
  readonly writeBytes: number;
}

interface Place {
  readonly lease: AdaptedStream;
  readonly fanOut: FanOut;
  readonly viewer: FanOutViewer;
  readonly leftOutBefore: number;
}

/** Sends a stream of ours as a transport stream. */
export class SrtPushRole implements SrtRole {
  readonly direction = 'send';
  readonly streamId: string | undefined;
  readonly #attempt: PushAttempt;
  readonly #env: PushRoleEnv;
  #place: Place | undefined;
  #sink: SrtSink | undefined;
  #flows = false;
  #counted = 0;
  #released = false;

  constructor(attempt: PushAttempt, env: PushRoleEnv) {
    const { remoteStreamName } = attempt;
    this.#attempt = attempt;
    this.#env = env;
    this.streamId = remoteStreamName === undefined ? undefined : `publish:${remoteStreamName}`;
  }

  get flows(): boolean {
    return this.#flows;
  }

  begin(connection: SrtConnection, finish: (end: RelayEnd) => void): void {
    const { source, options, events } = this.#attempt;
    const { adaptations, fanOuts, writeBytes } = this.#env;
    const over: RelayEnd = { code: 'closed', message: 'the stream is over' };
    if (source.ended) return finish(over);
    const sink = new SrtSink(connection, source, () => {
      if (this.#flows) return;
      this.#flows = true;
      events.onMedia();
    });
    const acceptance = tsAcceptance(options.without);
    const lease = adaptations.lease(source, acceptance, { steady: true });
    const makeFormat = (): TsFormat => new TsFormat(lease.stream, options.without);
    const fanOut = fanOuts.get(lease.stream, acceptance.key, makeFormat);
    const leftOutBefore = fanOut.leftOut;
    const viewer = new FanOutViewer(sink, fanOut, {
      maxWriteBytes: writeBytes,
      stallTimeoutMs: this.#attempt.stallTimeoutMs,
      onEnded: () => finish(over),
    });
    this.#sink = sink;
    this.#place = { lease, fanOut, viewer, leftOutBefore };
    viewer.pump();
    source.viewerReady();
  }

  onData(): void {}

  onWritable(): void {
    this.#sink?.drained();
  }

  tick(nowMs: number): void {
    this.#sink?.tick(nowMs);
  }

  check(nowMs: number): RelayEnd | undefined {
    const place = this.#place;
    if (place === undefined) return undefined;
    this.#count(place);
    for (const [kind, reason] of Object.entries(place.lease.leftOut))
      this.#attempt.events.onNote(`${kind} is left out: ${reason}`);
    if (!place.viewer.isStalled(nowMs)) return undefined;
    return { code: 'stalled', message: `it has taken nothing for ${this.#attempt.stallTimeoutMs} ms` };
  }

  release(): void {
    if (this.#released) return;
    this.#released = true;
    this.#sink?.destroy();
    const place = this.#place;
    if (place === undefined) return;
    this.#count(place);
    place.viewer.close();
    this.#env.fanOuts.viewerLeft(place.fanOut);
    place.lease[Symbol.dispose]();
  }

  facts(): Facts {
    const place = this.#place;
    if (place === undefined) return { bytesIn: 0, bytesOut: 0, packets: 0, drops: {} };
    const { viewer, fanOut, leftOutBefore } = place;
    return {
      bytesIn: 0,
      bytesOut: viewer.bytesSent,
      packets: viewer.packetsSent,
      drops: { slow_viewer: viewer.dropped, not_carried: fanOut.leftOut - leftOutBefore },
    };
  }

  #count({ viewer }: Place): void {
    const dropped = viewer.dropped - this.#counted;
    if (dropped === 0) return;
    this.#counted = viewer.dropped;
    this.#env.counters.count('relay_dropped_packets', dropped);
  }
}

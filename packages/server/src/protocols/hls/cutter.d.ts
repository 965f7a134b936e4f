import type { StreamEntry } from '../../core/index.ts';
import { type Cut } from './cut.ts';
export interface SegmentCutterOptions {
  readonly segmentMinMs: number;
  readonly maxSegmentMs: number;
  /** A segment with more bytes than this is cut wherever it is. */
  readonly maxSegmentBytes: number;
  /** Called synchronously with each finished segment. */
  onCut(cut: Cut): void;
}
/**
 * Divides a stream's packets into segments that begin with key frames. Does no I/O and reads no clock.
 *
 * Packets are divided in their order of arrival, not by time: an audio packet that comes late goes into the next
 * segment, which players accept and which costs no latency. A changed decoder configuration takes effect at the
 * next place where a decoder can start; until then packets that need it are left out.
 */
export declare class SegmentCutter {
  #private;
  constructor(options: SegmentCutterOptions);
  /** Takes the next packet of the stream; calls `onCut` when it begins a new segment. */
  push(entry: StreamEntry): void;
  /** Ends the last segment. */
  end(): void;
}
//# sourceMappingURL=cutter.d.ts.map

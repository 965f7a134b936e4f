import type { HlsTrack, MediaPlaylistRequest, RenditionReport } from '../position.ts';
import type { SegmentWindow } from '../segment-window.ts';
import { initName, partName, segmentName } from './names.ts';
import type { Segment } from './segment.ts';

export interface PlaylistRendererOptions {
  readonly window: SegmentWindow;
  readonly container: 'fmp4' | 'ts';
  readonly track: HlsTrack;
  /** Beginning of the names of its files, ready for a URI. */
  readonly prefix: string;
  /** Playlists can be waited for, and tell of parts where there are some. */
  readonly lowLatency: boolean;
}

/** What a playlist tells beside its segments. */
export interface PlaylistState {
  /** Changes whenever the playlist does. */
  readonly version: number;
  /** No part lasts longer; undefined: there are no parts. */
  readonly partTargetUs: number | undefined;
  /** True when no segment will ever follow (EXT-X-ENDLIST, RFC 8216 §4.3.3.4). */
  readonly ended: boolean;
}

/** Stands for the query in what is kept; no URI has it. */
const QUERY = '\u0000';
/** Parts are listed of segments that end within this many target durations of the end (RFC 8216bis §6.2.2). */
const PART_WINDOW_TARGETS = 3;
/** RFC 8216bis §4.4.3.8: at least six target durations. */
const SKIP_TARGETS = 6;
/** Part targets that players are to stay behind: RFC 8216bis §4.4.3.8 wants two and recommends three. */
const PART_HOLD_BACK = 3;
/** Target durations that they are to stay behind otherwise, at the least. */
const HOLD_BACK_TARGETS = 3;

interface Block {
  readonly withParts: boolean;
  readonly text: string;
}

/**
 * Renders the media playlist of one track (RFC 8216bis §4.4). What is asked for at one time is rendered once: the lines
 * of a segment when it is complete, the whole when something was added.
 */
export class PlaylistRenderer {
  readonly #options: PlaylistRendererOptions;
  readonly #blocks = new WeakMap<Segment, Block>();
  /** Of this version: with and without old segments. */
  #whole: string | undefined;
  #delta: string | undefined;
  #version = -1;

  constructor(options: PlaylistRendererOptions) {
    this.#options = options;
  }

  render({ query, skip = false, reports = [] }: MediaPlaylistRequest, state: PlaylistState): string {
    if (state.version !== this.#version) {
      this.#whole = undefined;
      this.#delta = undefined;
      this.#version = state.version;
    }
    const template = (skip ? this.#delta : this.#whole) ?? this.#renderTemplate(skip, state);
    if (skip) this.#delta = template;
    else this.#whole = template;
    const text = template.replaceAll(QUERY, () => query);
    if (state.ended) return `${text}#EXT-X-ENDLIST\n`;
    return text + reports.map((report) => renderReport(report, query)).join('');
  }

  #renderTemplate(skip: boolean, state: PlaylistState): string {
    const { window, container, lowLatency } = this.#options;
    const segments = window.listed;
    const { growing } = window;
    const first = segments[0] ?? growing;
    const skipped = skip && !state.ended && lowLatency ? this.#skippable(segments) : 0;
    const lines = [
      '#EXTM3U',
      // RFC 8216 §7: fractional EXTINF needs 3, EXT-X-MAP 6, fMP4 players ask 7; RFC 8216bis §8: EXT-X-SKIP needs 9.
      `#EXT-X-VERSION:${container === 'ts' ? 3 : lowLatency ? 9 : 7}`,
      `#EXT-X-TARGETDURATION:${window.targetSeconds}`,
    ];
    if (lowLatency) lines.push(...this.#control(state));
    lines.push(`#EXT-X-MEDIA-SEQUENCE:${first?.sequence ?? window.nextSequence}`);
    if (first !== undefined && first.discontinuitySequence > 0) {
      lines.push(`#EXT-X-DISCONTINUITY-SEQUENCE:${first.discontinuitySequence}`);
    }
    if (segments.every((s) => s.independent) && (growing?.independent ?? true)) {
      lines.push('#EXT-X-INDEPENDENT-SEGMENTS');
    }
    if (skipped > 0) lines.push(`#EXT-X-SKIP:SKIPPED-SEGMENTS=${skipped}`);
    lines.push(...this.#segmentLines(segments.slice(skipped), state), '');
    return lines.join('\n');
  }

  #control({ partTargetUs }: PlaylistState): string[] {
    const { targetSeconds } = this.#options.window;
    const control = ['CAN-BLOCK-RELOAD=YES', `CAN-SKIP-UNTIL=${targetSeconds * SKIP_TARGETS}.0`];
    control.push(`HOLD-BACK=${targetSeconds * HOLD_BACK_TARGETS}.0`);
    if (partTargetUs === undefined) return [`#EXT-X-SERVER-CONTROL:${control.join()}`];
    control.push(`PART-HOLD-BACK=${seconds(partTargetUs * PART_HOLD_BACK)}`);
    return [`#EXT-X-SERVER-CONTROL:${control.join()}`, `#EXT-X-PART-INF:PART-TARGET=${seconds(partTargetUs)}`];
  }

  /** Segments that end before the Skip Boundary (RFC 8216bis §6.2.5.1). */
  #skippable(segments: readonly Segment[]): number {
    const { window } = this.#options;
    let leftUs = window.targetSeconds * SKIP_TARGETS * 1e6 - (window.growing?.durationUs ?? 0);
    let index = segments.length;
    while (index > 0 && leftUs > 0) leftUs -= segments[--index]?.durationUs ?? 0;
    return index;
  }

  #segmentLines(segments: readonly Segment[], state: PlaylistState): string[] {
    const { window, prefix } = this.#options;
    const { growing } = window;
    const lines: string[] = [];
    const withPartsFrom = state.partTargetUs === undefined ? segments.length : this.#firstWithParts(segments);
    let init: number | undefined;
    const addMap = (segment: Segment): void => {
      // §4.3.2.5: applies until the next one, over discontinuities as well. FFmpeg minds when it is repeated.
      if (segment.init !== undefined && segment.init !== init) {
        lines.push(`#EXT-X-MAP:URI="${initName(prefix, segment.init)}${QUERY}"`);
      }
      init = segment.init;
    };
    for (const [index, segment] of segments.entries()) {
      if (segment.discontinuity) lines.push('#EXT-X-DISCONTINUITY');
      addMap(segment);
      lines.push(this.#block(segment, index >= withPartsFrom));
    }
    if (state.partTargetUs === undefined) return lines;
    if (growing !== undefined && growing.parts.length > 0) {
      if (growing.discontinuity) lines.push('#EXT-X-DISCONTINUITY');
      addMap(growing);
      lines.push(dateLine(growing), ...this.#partLines(growing));
    }
    if (!state.ended) {
      const msn = growing?.sequence ?? window.nextSequence;
      const hint = partName(prefix, msn, growing?.parts.length ?? 0);
      lines.push(`#EXT-X-PRELOAD-HINT:TYPE=PART,URI="${hint}${QUERY}"`);
    }
    return lines;
  }

  #firstWithParts(segments: readonly Segment[]): number {
    const { window } = this.#options;
    let leftUs = window.targetSeconds * PART_WINDOW_TARGETS * 1e6 - (window.growing?.durationUs ?? 0);
    let index = segments.length;
    while (index > 0 && leftUs >= 0 && segments[index - 1]?.isWhole === false) {
      leftUs -= segments[--index]?.durationUs ?? 0;
    }
    return index;
  }

  #block(segment: Segment, parts: boolean): string {
    const withParts = parts && !segment.forgotten;
    const kept = this.#blocks.get(segment);
    if (kept?.withParts === withParts) return kept.text;
    const { prefix, container, track } = this.#options;
    const lines = [dateLine(segment)];
    if (withParts) lines.push(...this.#partLines(segment));
    if (!segment.has(track)) lines.push('#EXT-X-GAP');
    lines.push(
      `#EXTINF:${(segment.durationUs / 1e6).toFixed(6)},`,
      segmentName(prefix, segment.sequence, container) + QUERY,
    );
    const text = lines.join('\n');
    this.#blocks.set(segment, { withParts, text });
    return text;
  }

  #partLines({ sequence, parts }: Segment): string[] {
    const { prefix, track } = this.#options;
    return parts.map((part, index) => {
      const attributes = [`DURATION=${seconds(part.durationUs)}`, `URI="${partName(prefix, sequence, index)}${QUERY}"`];
      // A decoder of sound can start anywhere.
      if (part.independent || track === 'audio') attributes.push('INDEPENDENT=YES');
      if (part.bytes[track] === undefined) attributes.push('GAP=YES');
      return `#EXT-X-PART:${attributes.join()}`;
    });
  }
}

function dateLine({ programDateMs }: Segment): string {
  return `#EXT-X-PROGRAM-DATE-TIME:${new Date(programDateMs).toISOString()}`;
}

function renderReport({ uri, msn, part }: RenditionReport, query: string): string {
  const last = part === undefined ? '' : `,LAST-PART=${part}`;
  return `#EXT-X-RENDITION-REPORT:URI="${uri}${query}",LAST-MSN=${msn}${last}\n`;
}

/** Microseconds as seconds, with a fraction that is as short as it can be. */
function seconds(us: number): string {
  return (us / 1e6).toFixed(6).replace(/(\.\d+?)0+$/, '$1');
}

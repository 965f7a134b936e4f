import type { PackagedContent } from '../packaging/content.ts';
import { filePrefix, initName } from '../packaging/names.ts';
import type { Segment } from '../packaging/segment.ts';
import type { HlsTrack } from '../position.ts';
import type { SegmentWindow } from '../segment-window.ts';

/** What a manifest tells beside the segments of its window. */
export interface ManifestState {
  readonly content: PackagedContent;
  /** No part lasts longer; undefined: segments are sent whole. */
  readonly partTargetUs: number | undefined;
  /** True when no segment will ever follow. */
  readonly ended: boolean;
  /** Wall clock, milliseconds since 1970. */
  readonly nowMs: number;
  /** `?…` or empty: repeated on every URI; see `safeQuery`. */
  readonly query: string;
}

/** Where a period is on the two clocks; it stays there for as long as the period is listed. */
interface PeriodStart {
  readonly wallMs: number;
  readonly mediaUs: number;
}

/** Segments that can be decoded one after the other: one period. */
interface Run {
  readonly id: string;
  readonly segments: readonly Segment[];
}

/** Times are told in microseconds, whatever the clocks of the files are. */
const TIMESCALE = 1_000_000;
/** Part durations that players are to stay behind, and what a request takes. */
const LATENCY_PARTS = 3;
const LATENCY_MARGIN_MS = 500;

/**
 * Renders the dynamic MPD (ISO 23009-1) of a packager that has picture and sound apart. Its times are those of the wall
 * clock: periods begin at the time since 1970 at which their first segment began.
 */
export class ManifestRenderer {
  readonly #window: SegmentWindow;
  readonly #streamName: string;
  #starts = new Map<string, PeriodStart>();

  constructor(streamName: string, window: SegmentWindow) {
    this.#streamName = streamName;
    this.#window = window;
  }

  render(state: ManifestState): string {
    const { listed, growing } = this.#window;
    const hasGrowing = !state.ended && growing !== undefined && growing.parts.length > 0;
    const runs = runsOf(hasGrowing && state.partTargetUs !== undefined ? [...listed, growing] : listed);
    this.#starts = new Map(runs.map((run) => [run.id, this.#starts.get(run.id) ?? startOf(run)]));
    return [
      '<?xml version="1.0" encoding="UTF-8"?>',
      `<MPD ${this.#attributes(state, runs)}>`,
      ...serviceDescription(state),
      ...runs.flatMap((run) => this.#period(run, state)),
      `  <UTCTiming schemeIdUri="urn:mpeg:dash:utc:direct:2014" value="${iso(state.nowMs)}"/>`,
      '</MPD>',
      '',
    ].join('\n');
  }

  #attributes(state: ManifestState, runs: readonly Run[]): string {
    const { targetSeconds, listed } = this.#window;
    const depthUs = listed.reduce((sum, { durationUs }) => sum + durationUs, 0);
    const updateMs = (state.partTargetUs ?? targetSeconds * 1e6) / 1000;
    const common = [
      'xmlns="urn:mpeg:dash:schema:mpd:2011"',
      'profiles="urn:mpeg:dash:profile:isoff-live:2011,urn:mpeg:dash:profile:cmaf:2019"',
      'type="dynamic"',
      'availabilityStartTime="1970-01-01T00:00:00Z"',
      `publishTime="${iso(state.nowMs)}"`,
      `timeShiftBufferDepth="${duration(Math.max(depthUs, targetSeconds * 1e6))}"`,
      `maxSegmentDuration="PT${targetSeconds}S"`,
      `minBufferTime="${duration(state.partTargetUs ?? targetSeconds * 1e6)}"`,
    ];
    const latencyUs = latencyMsOf(state, targetSeconds) * 1000;
    common.push(`suggestedPresentationDelay="${duration(latencyUs)}"`);
    if (!state.ended) common.push(`minimumUpdatePeriod="${duration(Math.max(500, updateMs) * 1000)}"`);
    else common.push(`mediaPresentationDuration="${duration(this.#endUs(runs.at(-1)))}"`);
    return common.join(' ');
  }

  /** End of the presentation, microseconds since 1970. */
  #endUs(run: Run | undefined): number {
    const last = run?.segments.at(-1);
    const start = run && this.#starts.get(run.id);
    if (last === undefined || start === undefined) return 0;
    return start.wallMs * 1000 + last.mediaUs + last.durationUs - start.mediaUs;
  }

  #period(run: Run, state: ManifestState): string[] {
    const start = this.#starts.get(run.id) ?? startOf(run);
    const sets = (['video', 'audio'] as const)
      .filter((track) => run.segments.some((segment) => segment.has(track)))
      .flatMap((track) => this.#adaptationSet(track, { run, start, state }));
    return [`  <Period id="${run.id}" start="${duration(start.wallMs * 1000)}">`, ...sets, '  </Period>'];
  }

  #adaptationSet(track: 'video' | 'audio', { run, start, state }: SetContext): string[] {
    const prefix = filePrefix(this.#streamName, track);
    const query = escapeTemplate(state.query);
    const first = run.segments[0];
    const expectedUs = expectedUsOf(run, this.#window.targetSeconds);
    const isSentEarly = state.partTargetUs !== undefined && !state.ended;
    const early = isSentEarly ? Math.max(0, expectedUs - (state.partTargetUs ?? 0)) : 0;
    const lowLatency = early > 0 ? ` availabilityTimeOffset="${early / 1e6}" availabilityTimeComplete="false"` : '';
    const date = iso(start.wallMs);
    return [
      `    <AdaptationSet id="${track === 'video' ? 0 : 1}" contentType="${track}" mimeType="${track}/mp4" segmentAlignment="true" startWithSAP="1">`,
      `      <ProducerReferenceTime id="${track === 'video' ? 0 : 1}" type="encoder" wallClockTime="${date}" presentationTime="${Math.round(start.mediaUs)}">`,
      `        <UTCTiming schemeIdUri="urn:mpeg:dash:utc:direct:2014" value="${iso(state.nowMs)}"/>`,
      '      </ProducerReferenceTime>',
      `      <SegmentTemplate timescale="${TIMESCALE}" presentationTimeOffset="${Math.round(start.mediaUs)}" startNumber="${first?.sequence ?? 0}"` +
        ` initialization="${initName(prefix, first?.init ?? 0)}${query}" media="${prefix}_$Number$.m4s${query}"${lowLatency}>`,
      '        <SegmentTimeline>',
      ...timelineOf(run.segments, expectedUs),
      '        </SegmentTimeline>',
      '      </SegmentTemplate>',
      `      <Representation id="${track}" ${representation(track, run, state.content)}/>`,
      '    </AdaptationSet>',
    ];
  }
}

interface SetContext {
  readonly run: Run;
  readonly start: PeriodStart;
  readonly state: ManifestState;
}

/** A discontinuity begins a new period; so does another initialization section, of which a period has one. */
function runsOf(segments: readonly Segment[]): Run[] {
  const runs: Segment[][] = [];
  for (const segment of segments) {
    const current = runs.at(-1);
    const before = current?.at(-1);
    const goesOn = before !== undefined && !segment.discontinuity && before.init === segment.init;
    if (current !== undefined && goesOn) current.push(segment);
    else runs.push([segment]);
  }
  return runs.map((run) => {
    const [first] = run;
    const index = (first?.discontinuitySequence ?? 0) + (first?.discontinuity === true ? 1 : 0);
    return { id: `p${index}-${first?.init ?? 0}`, segments: run };
  });
}

function startOf({ segments: [first] }: Run): PeriodStart {
  return { wallMs: Math.round(first?.programDateMs ?? 0), mediaUs: first?.mediaUs ?? 0 };
}

/** How long the segment that grows will last, as far as one can know. */
function expectedUsOf({ segments }: Run, targetSeconds: number): number {
  const newest = segments.findLast(({ complete }) => complete);
  return newest?.durationUs ?? targetSeconds * 1e6;
}

/** `S` elements; equal ones in a row are told once (ISO 23009-1 §5.3.9.6). */
function timelineOf(segments: readonly Segment[], expectedUs: number): string[] {
  const lines: string[] = [];
  let run: { t: number; d: number; r: number } | undefined;
  const flush = (): void => {
    if (run === undefined) return;
    lines.push(`          <S t="${run.t}" d="${run.d}"${run.r > 0 ? ` r="${run.r}"` : ''}/>`);
  };
  for (const [index, segment] of segments.entries()) {
    const t = Math.round(segment.mediaUs);
    const next = segments[index + 1];
    const whole = segment.complete ? segment.durationUs : Math.max(expectedUs, segment.durationUs);
    const d = Math.max(1, next === undefined ? Math.round(whole) : Math.round(next.mediaUs) - t);
    if (run !== undefined && run.d === d && run.t + run.d * (run.r + 1) === t) run.r++;
    else {
      flush();
      run = { t, d, r: 0 };
    }
  }
  flush();
  return lines;
}

function representation(track: HlsTrack, { segments }: Run, content: PackagedContent): string {
  let peak = 0;
  for (const segment of segments) {
    if (segment.durationUs > 0) peak = Math.max(peak, (segment.bytesOf(track) * 8e6) / segment.durationUs);
  }
  const attributes = [`bandwidth="${Math.max(1, Math.ceil(peak))}"`];
  const codec = track === 'video' ? content.video : content.audio;
  if (codec !== undefined) attributes.push(`codecs="${codec}"`);
  const { size } = content;
  if (track === 'video' && size !== undefined) attributes.push(`width="${size.width}" height="${size.height}"`);
  return attributes.join(' ');
}

function latencyMsOf({ partTargetUs }: ManifestState, targetSeconds: number): number {
  if (partTargetUs === undefined) return targetSeconds * 3000;
  return (partTargetUs * LATENCY_PARTS) / 1000 + LATENCY_MARGIN_MS;
}

/** How far behind the present players are to be (ISO 23009-1 §K.3); only where segments can be had while they are made. */
function serviceDescription(state: ManifestState): string[] {
  if (state.partTargetUs === undefined) return [];
  const target = Math.round(latencyMsOf(state, 0));
  return [
    '  <ServiceDescription id="0">',
    `    <Latency referenceId="0" target="${target}" min="${Math.round(target / 2)}" max="${target * 3}"/>`,
    '    <PlaybackRate min="0.96" max="1.04"/>',
    '  </ServiceDescription>',
  ];
}

function iso(ms: number): string {
  return new Date(ms).toISOString();
}

/** Microseconds as `xs:duration`. */
function duration(us: number): string {
  return `PT${Number((us / 1e6).toFixed(3))}S`;
}

/** A query in a template of addresses: `$` begins an identifier there, `&` an entity. */
function escapeTemplate(query: string): string {
  return query.replaceAll('$', '$$$$').replaceAll('&', '&amp;').replaceAll("'", '&apos;');
}

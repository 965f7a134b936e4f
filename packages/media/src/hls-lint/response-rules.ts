import type { Attributes, LintedPlaylist, LintedSegment } from './playlist.ts';

/** One thing that is not as RFC 8216bis wants it. */
export interface LintFinding {
  /** Short name of the rule, stable. */
  readonly rule: string;
  /** `must`: the RFC demands it; `should`: it recommends it. */
  readonly level: 'must' | 'should';
  readonly message: string;
}

/** Takes findings. */
export type Report = (rule: string, message: string, level?: LintFinding['level']) => void;

/** Sums and roundings of decimal fractions. */
const TOLERANCE_S = 0.002;
/** Clocks of a stream and of the wall drift. */
const DATE_TOLERANCE_S = 0.1;

/** Checks what can be seen in one response. */
export function checkResponse(playlist: LintedPlaylist, report: Report): void {
  checkBasics(playlist, report);
  checkVersion(playlist, report);
  checkOrder(playlist, report);
  checkSegments(playlist, report);
  checkControl(playlist, report);
  checkParts(playlist, report);
  checkSkip(playlist, report);
  for (const attributes of playlist.reports) checkRenditionReport(attributes, playlist, report);
}

function checkBasics(playlist: LintedPlaylist, report: Report): void {
  const { lines, repeated, tags, targetS } = playlist;
  if (lines[0] !== '#EXTM3U') report('extm3u', 'the first line is not #EXTM3U (§4.4.1.1)');
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for.
  if (lines.some((line) => /[\u0000-\u001f\u007f-\u009f]/.test(line.replace(/\r$/, '')))) {
    report('control-characters', 'there are control characters in it (§4)');
  }
  for (const tag of repeated) report('tag-once', `${tag} comes more than once (§4.4.3)`);
  if (!tags.has('EXT-X-TARGETDURATION')) report('target-duration', 'there is no EXT-X-TARGETDURATION (§4.4.3.1)');
  else if (!Number.isInteger(targetS) || targetS < 1) report('target-duration', `${targetS} is none (§4.4.3.1)`);
}

function checkVersion({ tags, segments, growing, skipped }: LintedPlaylist, report: Report): void {
  const version = Number(tags.get('EXT-X-VERSION') ?? 1);
  const all = growing === undefined ? segments : [...segments, growing];
  const need = (least: number, what: string, isNeeded: boolean): void => {
    if (isNeeded && version < least) report('version', `${what} needs version ${least}, it says ${version} (§8)`);
  };
  need(
    3,
    'a fraction in EXTINF',
    segments.some(({ durationS }) => !Number.isInteger(durationS)),
  );
  need(
    6,
    'EXT-X-MAP',
    all.some(({ map }) => map !== undefined),
  );
  need(
    8,
    'EXT-X-GAP',
    all.some(({ gap }) => gap),
  );
  need(9, 'EXT-X-SKIP', skipped > 0);
}

/** Tags that must come before the first segment (§4.4.3.2, §4.4.3.3), or before the parts of theirs (§4.4.4.9). */
function checkOrder({ lines, misplaced }: LintedPlaylist, report: Report): void {
  const media = lines.findIndex((line) => line.startsWith('#EXTINF') || line.startsWith('#EXT-X-PART:'));
  const discontinuity = lines.indexOf('#EXT-X-DISCONTINUITY');
  for (const tag of ['#EXT-X-MEDIA-SEQUENCE', '#EXT-X-DISCONTINUITY-SEQUENCE']) {
    const at = lines.findIndex((line) => line.startsWith(`${tag}:`));
    if (at < 0) continue;
    const isLate = (media >= 0 && at > media) || (tag.includes('DISC') && discontinuity >= 0 && at > discontinuity);
    if (isLate) report('tag-order', `${tag} comes after what it is about (§4.4.3)`);
  }
  for (const tag of misplaced) report('tag-before-parts', `${tag} comes after a part of its segment (§4.4.4.9)`);
}

function checkSegments({ segments, growing, targetS }: LintedPlaylist, report: Report): void {
  let before: LintedSegment | undefined;
  for (const segment of growing === undefined ? segments : [...segments, growing]) {
    const { msn, uri, durationS, map } = segment;
    if (uri !== undefined && !(durationS >= 0)) report('extinf', `segment ${msn} has no EXTINF (§4.4.4.1)`);
    if (Math.round(durationS) > targetS) report('extinf-target', `segment ${msn} lasts ${durationS} s (§4.4.3.1)`);
    const file = (uri ?? segment.parts[0]?.uri ?? '').split('?')[0] ?? '';
    if (/\.(m4s|mp4)$/.test(file) && map === undefined) report('map', `segment ${msn} has no EXT-X-MAP (§3.1.2)`);
    checkDate(before, segment, report);
    before = segment;
  }
}

function checkDate(before: LintedSegment | undefined, segment: LintedSegment, report: Report): void {
  if (before?.programDateMs === undefined || segment.programDateMs === undefined || segment.discontinuity) return;
  const jumpS = (segment.programDateMs - before.programDateMs) / 1000 - before.durationS;
  if (Math.abs(jumpS) <= DATE_TOLERANCE_S) return;
  report('program-date', `the date of segment ${segment.msn} jumps by ${jumpS.toFixed(3)} s (§4.4.4.6)`, 'should');
}

/** §4.4.3.8. */
function checkControl({ control, partTargetS, targetS }: LintedPlaylist, report: Report): void {
  const holdBack = Number(control.get('HOLD-BACK') ?? Number.POSITIVE_INFINITY);
  if (holdBack < targetS * 3) report('hold-back', `HOLD-BACK is ${holdBack}, three target durations are needed`);
  const skipUntil = Number(control.get('CAN-SKIP-UNTIL') ?? Number.POSITIVE_INFINITY);
  if (skipUntil < targetS * 6)
    report('can-skip-until', `CAN-SKIP-UNTIL is ${skipUntil}, six target durations are needed`);
  if (partTargetS === undefined) return;
  const partHoldBack = Number(control.get('PART-HOLD-BACK'));
  if (Number.isNaN(partHoldBack)) report('part-hold-back', 'there is EXT-X-PART-INF, but no PART-HOLD-BACK');
  else if (partHoldBack < partTargetS * 2 - TOLERANCE_S) report('part-hold-back', `${partHoldBack} is below two parts`);
  else if (partHoldBack < partTargetS * 3 - TOLERANCE_S) {
    report('part-hold-back-3', `PART-HOLD-BACK ${partHoldBack} is below three parts`, 'should');
  }
}

/** §4.4.4.9 and §4.4.5.3. */
function checkParts(playlist: LintedPlaylist, report: Report): void {
  const { segments, growing, partTargetS, hints, ended } = playlist;
  const all = growing === undefined ? segments : [...segments, growing];
  if (partTargetS === undefined && all.some(({ parts }) => parts.length > 0)) {
    report('part-inf', 'there are parts, but no EXT-X-PART-INF (§4.4.3.7)');
  }
  if (partTargetS !== undefined) for (const segment of all) checkPartsOf(segment, partTargetS, report);
  if (ended && hints.length > 0) report('hint-after-end', 'a playlist that is over hints at a part (§4.4.5.3)');
  const known = new Set(all.flatMap(({ parts }) => parts.map(({ uri }) => uri)));
  for (const hint of hints) {
    const uri = hint.get('URI');
    if (uri === undefined || hint.get('TYPE') === undefined) report('hint', 'a hint without URI or TYPE (§4.4.5.3)');
    else if (known.has(uri)) report('hint-listed', `${uri} is hinted at and there already (§4.4.5.3)`);
  }
}

function checkPartsOf({ msn, uri, durationS, parts }: LintedSegment, targetS: number, report: Report): void {
  for (const [index, part] of parts.entries()) {
    const name = `part ${msn}.${index}`;
    if (!(part.durationS > 0) || part.uri === '') report('part', `${name} has no duration or URI`);
    if (part.durationS > targetS + 1e-9)
      report('part-too-long', `${name} lasts ${part.durationS} s, ${targetS} at most`);
    const isFree = part.independent || part.gap || parts[index + 1]?.gap === true || index === parts.length - 1;
    // While its segment grows, the newest part may be the last one.
    if (!isFree && part.durationS < targetS * 0.85 - 1e-9) {
      report('part-too-short', `${name} lasts ${part.durationS} s, 85 % of ${targetS} are needed`);
    }
  }
  if (uri === undefined || parts.length === 0) return;
  const sum = parts.reduce((total, part) => total + part.durationS, 0);
  if (sum > durationS + TOLERANCE_S)
    report('part-sum', `parts of segment ${msn} last ${sum} s, it ${durationS} s`, 'should');
}

/** §4.4.5.2 and §6.2.5.1. */
function checkSkip({ tags, control, skipped, segments, growing }: LintedPlaylist, report: Report): void {
  if (!tags.has('EXT-X-SKIP')) return;
  if (!(skipped > 0)) report('skip-count', 'EXT-X-SKIP without SKIPPED-SEGMENTS');
  const until = control.get('CAN-SKIP-UNTIL');
  if (until === undefined) {
    report('skip-not-offered', 'EXT-X-SKIP without CAN-SKIP-UNTIL');
    return;
  }
  const last = (growing?.parts ?? []).reduce((sum, part) => sum + part.durationS, 0);
  const keptS = segments.reduce((sum, { durationS }) => sum + durationS, last);
  if (keptS < Number(until) - TOLERANCE_S) report('skip-boundary', `only ${keptS} s are left, ${until} are needed`);
}

/** §4.4.5.4. */
function checkRenditionReport(attributes: Attributes, { partTargetS }: LintedPlaylist, report: Report): void {
  const uri = attributes.get('URI');
  if (uri === undefined) report('report-uri', 'a rendition report has no URI');
  else if (/^[a-z][a-z0-9+.-]*:|^\//i.test(uri)) report('report-uri', `${uri} is not relative to the playlist`);
  if (!attributes.has('LAST-MSN')) report('report-msn', `the report of ${uri} has no LAST-MSN`);
  if (partTargetS !== undefined && !attributes.has('LAST-PART')) report('report-part', `that of ${uri} no LAST-PART`);
}

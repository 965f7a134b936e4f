import type { LintedPlaylist, LintedSegment } from './playlist.ts';
import type { Report } from './response-rules.ts';

/** Parts of segments within so many target durations of the end stay (RFC 8216bis §6.2.2). */
const PART_WINDOW_TARGETS = 3;

/** What the responses so far have told. */
export interface PlaylistMemory {
  /** By Media Sequence Number; of those that are listed still. */
  readonly segments: Map<number, LintedSegment>;
  readonly playlist: LintedPlaylist;
}

/** A delta update with what was left out taken from memory: EXT-X-DISCONTINUITY of skipped segments counts (§4.4.5.2). */
export function complete(memory: PlaylistMemory, playlist: LintedPlaylist): LintedPlaylist {
  let left = 0;
  for (const { msn, discontinuity } of memory.segments.values()) {
    const isSkipped = msn >= playlist.mediaSequence && msn < playlist.mediaSequence + playlist.skipped;
    if (isSkipped && discontinuity) left++;
  }
  const moved = (segment: LintedSegment): LintedSegment => ({
    ...segment,
    discontinuitySequence: segment.discontinuitySequence + left,
  });
  const { segments, growing } = playlist;
  return { ...playlist, segments: segments.map(moved), growing: growing && moved(growing) };
}

/** Checks a response against the one before it (RFC 8216bis §6.2.1, §6.2.2, §6.2.5.1). */
export function checkSuccessor(memory: PlaylistMemory, next: LintedPlaylist, report: Report): void {
  const { playlist: before } = memory;
  if (next.targetS !== before.targetS)
    report('target-changed', `EXT-X-TARGETDURATION was ${before.targetS}, is ${next.targetS}`);
  if (next.partTargetS !== before.partTargetS) {
    report('part-target-changed', `PART-TARGET was ${before.partTargetS}, is ${next.partTargetS}`);
  }
  if (next.mediaSequence < before.mediaSequence)
    report('sequence-back', `EXT-X-MEDIA-SEQUENCE fell to ${next.mediaSequence}`);
  if (before.ended && !next.ended) report('end-taken-back', 'EXT-X-ENDLIST is gone');
  if (endOf(next) < endOf(before)) report('end-back', 'the newest segment or part is gone');
  const unknown = firstUnknown(memory, next);
  if (unknown !== undefined) report('skip-unknown', `segment ${unknown} is skipped, and was never told`);
  for (const segment of allOf(next)) {
    const known = memory.segments.get(segment.msn);
    if (known !== undefined) checkSame(known, segment, report);
  }
  checkHint(before, next, report);
  checkPartsStay(before, next, report);
}

/** The first segment that is left out although the client can't know it. */
function firstUnknown({ segments }: PlaylistMemory, { mediaSequence, skipped }: LintedPlaylist): number | undefined {
  let msn = mediaSequence;
  while (msn < mediaSequence + skipped && segments.has(msn)) msn++;
  return msn < mediaSequence + skipped ? msn : undefined;
}

/** Keeps what a response tells, for the next one. */
export function remember(memory: PlaylistMemory | undefined, playlist: LintedPlaylist): PlaylistMemory {
  const segments = new Map(memory?.segments);
  for (const msn of segments.keys()) if (msn < playlist.mediaSequence) segments.delete(msn);
  for (const segment of allOf(playlist)) segments.set(segment.msn, segment);
  return { segments, playlist };
}

function allOf({ segments, growing }: LintedPlaylist): readonly LintedSegment[] {
  return growing === undefined ? segments : [...segments, growing];
}

/** The newest segment and part as one number. */
function endOf({ mediaSequence, skipped, segments, growing }: LintedPlaylist): number {
  return mediaSequence + skipped + segments.length + (growing?.parts.length ?? 0) / 10_000;
}

function checkSame(known: LintedSegment, now: LintedSegment, report: Report): void {
  const { msn } = now;
  const changed = (what: string): void => report('segment-changed', `${what} of segment ${msn} has changed`);
  if (known.uri !== undefined && known.uri !== now.uri) changed('the address');
  if (known.uri !== undefined && known.durationS !== now.durationS) changed('the duration');
  if (known.map !== now.map) changed('EXT-X-MAP');
  if (known.programDateMs !== now.programDateMs) changed('the date');
  if (known.discontinuity !== now.discontinuity) changed('EXT-X-DISCONTINUITY');
  if (known.discontinuitySequence !== now.discontinuitySequence) {
    report('discontinuity-sequence', `the discontinuity sequence number of segment ${msn} has changed`);
  }
  if (now.parts.length === 0) return;
  const isPrefix = known.parts.every((part, index) => {
    const other = now.parts[index];
    return other?.uri === part.uri && other.durationS === part.durationS && other.independent === part.independent;
  });
  if (!isPrefix) report('parts-changed', `parts of segment ${msn} have changed`);
}

/** What was hinted at is what came (§4.4.5.3). */
function checkHint(before: LintedPlaylist, next: LintedPlaylist, report: Report): void {
  const hint = before.hints.find((attributes) => attributes.get('TYPE') === 'PART')?.get('URI');
  if (hint === undefined) return;
  const msn = before.growing?.msn ?? before.mediaSequence + before.skipped + before.segments.length;
  const count = before.growing?.parts.length ?? 0;
  const all = allOf(next);
  const same = all.find((segment) => segment.msn === msn);
  const came =
    same?.parts[count] ?? (same?.uri === undefined ? undefined : all.find((s) => s.msn === msn + 1)?.parts[0]);
  if (came !== undefined && came.uri !== hint) report('hint-broken', `${hint} was hinted at, ${came.uri} came`);
}

/** Parts that are near enough to the end must not go (§6.2.2). */
function checkPartsStay(before: LintedPlaylist, next: LintedPlaylist, report: Report): void {
  if (next.partTargetS === undefined || next.ended) return;
  let leftS = next.targetS * PART_WINDOW_TARGETS;
  const had = new Map(allOf(before).map((segment) => [segment.msn, segment.parts.length]));
  for (const segment of [...allOf(next)].reverse()) {
    if (leftS <= 0) return;
    if ((had.get(segment.msn) ?? 0) > 0 && segment.parts.length === 0) {
      report('parts-gone', `parts of segment ${segment.msn} are gone, which ends near the end of the playlist`);
    }
    leftS -=
      segment.uri === undefined ? segment.parts.reduce((sum, part) => sum + part.durationS, 0) : segment.durationS;
  }
}

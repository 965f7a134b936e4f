import type { ExplainAnswer, ExplainFinding, ExplainSession } from '@sluice/contract';

/** All that findings are drawn from. */
export type ExplainFacts = Omit<ExplainAnswer, 'verdict'>;

/** A finding before it is known how many sessions it is about. */
export type Draft = Omit<ExplainFinding, 'mediaSessionIds' | 'sessions'>;

/** A draft about one session; without one it is about the stream. */
export interface SessionDraft extends Draft {
  readonly session?: Pick<ExplainSession, 'mediaSessionId' | 'mediaType'> | undefined;
}

const SEVERITIES: readonly ExplainFinding['severity'][] = ['error', 'warning', 'info'];
const MAX_IDS = 10;
const MAX_FINDINGS = 30;

/** Causes before what follows from them; codes that are not listed come after these, in the order they were found. */
const ORDER: readonly ExplainFinding['code'][] = [
  'ALL_WELL',
  'NOT_LIVE',
  'NO_COMMON_CODECS',
  'TRANSCODING_DISABLED',
  'NO_ICE',
  'ICE_REFUSED',
  'ICE_LOST',
  'NO_DTLS',
  'SRTP_ERRORS',
  'NO_MEDIA_FROM_PUBLISHER',
  'WAITS_FOR_PUBLISHER',
  'FAILED',
  'VIDEO_LEFT_OUT',
  'AUDIO_LEFT_OUT',
  'WAITS_FOR_KEY_FRAME',
  'HLS_NOT_READY',
  'MUTED',
  'PUBLISHER_LOSS',
  'CONVERSION_SLOW',
  'SLOW_VIEWER',
  'LOSS',
  'LONG_ROUND_TRIP',
  'PAUSED',
  'CODEC_CONVERTED',
];

/** One finding for all sessions that have the same one; the most important first, 30 at most. */
export function groupFindings(drafts: readonly SessionDraft[]): ExplainFinding[] {
  const groups = new Map<string, ExplainFinding>();
  for (const { session, ...draft } of drafts) {
    const key = session === undefined ? `stream ${draft.code} ${draft.kind} ${draft.text}` : keyOf(draft);
    const group = groups.get(key) ?? { ...draft, mediaSessionIds: [], sessions: 0 };
    groups.set(key, group);
    if (session === undefined) continue;
    group.sessions++;
    if (group.mediaSessionIds.length < MAX_IDS) group.mediaSessionIds.push(session.mediaSessionId);
  }
  const findings = [...groups.values()].map(tellNumber);
  return findings.sort((a, b) => rank(a) - rank(b)).slice(0, MAX_FINDINGS);
}

function keyOf({ code, severity, kind, advice }: Draft): string {
  return `${code} ${severity} ${kind} ${advice}`;
}

function tellNumber(finding: ExplainFinding): ExplainFinding {
  const others = finding.sessions - 1;
  if (others <= 0) return finding;
  const text = `${finding.text} So it is with ${others} other ${others === 1 ? 'session' : 'sessions'}.`;
  return { ...finding, text };
}

function rank({ severity, code }: ExplainFinding): number {
  const place = ORDER.indexOf(code);
  return SEVERITIES.indexOf(severity) * 100 + (place < 0 ? ORDER.length : place);
}

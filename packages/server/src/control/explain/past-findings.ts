import type { ExplainMedia, ExplainSession } from '@sluice/contract';
import type { Draft, ExplainFacts, SessionDraft } from './finding.ts';
import { webRtcFindings } from './webrtc-findings.ts';
import { list, seconds } from './words.ts';

/** What failed longer ago is mentioned, and no more. */
const RECENT_MS = 60_000;
const MAX_NAMED = 8;

/** What is to be said about a session that is over; `asked` when it was asked for by its id. */
export function pastFindings(session: ExplainSession, facts: ExplainFacts, asked: boolean): SessionDraft[] {
  const { endedMs = facts.atMs, status, errorCode } = session;
  const agoMs = Math.max(0, facts.atMs - endedMs);
  const failed = status === 'FAILED';
  if (!failed && !asked) return [];
  const drafts = failed ? failure(session) : [ended(session)];
  return drafts.map(({ severity, text, ...draft }) => {
    const mild = errorCode === 'client_left' ? 'warning' : severity;
    const weight = asked || agoMs <= RECENT_MS ? mild : 'info';
    return { ...draft, severity: weight, text: `${text} ${when(agoMs)}`, session };
  });
}

function when(agoMs: number): string {
  return agoMs < 1000 ? 'That was just now.' : `That was ${seconds(agoMs)} ago.`;
}

function failure(session: ExplainSession): Draft[] {
  const { webrtc, errorCode, sinceMs = 0, endedMs = sinceMs } = session;
  const refusal = codecRefusal(session);
  if (refusal !== undefined) return [refusal];
  const connection = webrtc === undefined ? [] : webRtcFindings(session, webrtc, endedMs - sinceMs);
  const causes = connection.filter(({ severity }) => severity === 'error');
  if (causes.length > 0) return causes;
  const code = errorCode === undefined || errorCode === '' ? '' : ` (${errorCode})`;
  const text = `${whose(session)} failed: ${session.lastError || 'no reason is known'}${code}.`;
  return [{ code: 'FAILED', severity: 'error', text, advice: adviceFor(errorCode) }];
}

function codecRefusal({ errorCode, lastError = '', media, mediaType }: ExplainSession): Draft | undefined {
  if (errorCode !== 'NO_COMMON_CODECS' && errorCode !== 'TRANSCODING_DISABLED') return undefined;
  const offered = media.flatMap(({ offered = [] }) => offered);
  const offer = offered.length === 0 ? '' : ` It offered ${list(offered.slice(0, MAX_NAMED))}.`;
  const reasons = media.flatMap(reasonsOf).slice(0, MAX_NAMED);
  const why = reasons.length === 0 ? lastError : list(reasons);
  const who = mediaType === 'publish' ? 'The publisher' : 'The viewer';
  const text = `${who} was refused, as none of its codecs can be used: ${why}.${offer}`;
  const advice =
    errorCode === 'TRANSCODING_DISABLED'
      ? 'Allow conversions (transcoding_disabled=false), or publish what such viewers take: H.264 without B-frames, and Opus.'
      : 'Let the client offer one that the server and the stream have, or change codecs and codecs_exclude_streaming.';
  return { code: errorCode, severity: 'error', text, advice };
}

function reasonsOf({ refused = [] }: ExplainMedia): string[] {
  const missing = refused.filter(({ reason }) => reason === 'not_offered');
  return (missing.length > 0 ? missing : refused).map(({ text }) => text);
}

function ended({ mediaType, lastError = '', status }: ExplainSession): Draft {
  const what = mediaType === 'publish' ? 'The publication' : 'The playback';
  const why = lastError === '' ? '' : `: ${lastError}`;
  const text = `${what} ended in good order (${status})${why}.`;
  return { code: 'ENDED', severity: 'info', text, advice: '' };
}

function whose({ mediaType, protocol, remoteAddress }: ExplainSession): string {
  const from = remoteAddress === undefined || remoteAddress === '' ? '' : ` from ${remoteAddress}`;
  return `${mediaType === 'publish' ? 'A publication' : 'A playback'} by ${protocol}${from}`;
}

const ADVICE: Readonly<Record<string, string>> = {
  STREAM_NOT_FOUND: 'Publish the stream first, with the very same name; capital and small letters differ.',
  STREAM_NAME_BUSY: 'Another publisher has that name: end it, or take another name.',
  STREAM_LIMIT: 'Raise max_streams, or end streams that nobody needs.',
  PEER_LIMIT: 'Raise webrtc_max_peers, or use more servers.',
  SDP_INVALID: 'Look at the client’s offer: it must have ICE, DTLS and a direction that fits.',
  ACCESS_DENIED: 'Ask the application’s back end, or look at the stream token and the lists of addresses.',
  TOKEN_REQUIRED: 'Give the client a stream token.',
  rtp_activity: 'The connection was there and no media came: look at the publisher’s camera and encoder.',
  not_playable: 'The publisher has changed its codecs: let the viewer connect again.',
  client_left: 'The client gave up before media flowed: look at its own log, and whether it waited long enough.',
  terminated: 'It was ended by the operator, or by REST.',
};

function adviceFor(errorCode: string | undefined): string {
  if (errorCode === undefined)
    return 'These are the words of the application’s back end, or of the access control: look there.';
  return ADVICE[errorCode] ?? '';
}

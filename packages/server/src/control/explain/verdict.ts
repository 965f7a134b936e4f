import type { ExplainFinding } from '@sluice/contract';
import { type Draft, type ExplainFacts, groupFindings, type SessionDraft } from './finding.ts';
import { pastFindings } from './past-findings.ts';
import { sessionFindings } from './session-findings.ts';
import { streamFindings } from './stream-findings.ts';

/**
 * What follows from the facts, in plain English: the most important first, never empty.
 * @param asked Media session id that was asked for; undefined where the question was about a stream.
 */
export function verdictOf(facts: ExplainFacts, asked?: string): ExplainFinding[] {
  const sessions = facts.sessions.flatMap((session) => sessionFindings(session, facts));
  const past = facts.past.flatMap((session) => pastFindings(session, facts, session.mediaSessionId === asked));
  const drafts = [...withoutEchoes(streamFindings(facts), sessions), ...sessions, ...past];
  const trouble = drafts.some(({ severity }) => severity !== 'info');
  const over = asked !== undefined && facts.past.some(({ mediaSessionId }) => mediaSessionId === asked);
  return groupFindings(trouble || over ? drafts : [allWell(facts), ...drafts]);
}

/** A publisher whose connection does not come about sends nothing: the one says what the other comes from. */
function withoutEchoes(stream: readonly SessionDraft[], sessions: readonly SessionDraft[]): readonly SessionDraft[] {
  const unreached = sessions.some(({ severity, session }) => severity === 'error' && session?.mediaType === 'publish');
  return unreached ? stream.filter(({ code }) => code !== 'NO_MEDIA_FROM_PUBLISHER') : stream;
}

function allWell({ name, stream, sessions, sessionsOmitted }: ExplainFacts): Draft {
  const players = sessions.filter(({ mediaType }) => mediaType === 'play');
  const coming = players.filter(({ status }) => status === 'PENDING').length;
  const viewers = players.length - coming + sessionsOmitted;
  const has = [
    stream?.video === null || stream?.video === undefined ? '' : 'picture',
    stream?.audio === null || stream?.audio === undefined ? '' : 'sound',
  ].filter((kind) => kind !== '');
  const what = has.length === 0 ? 'nothing yet' : has.join(' and ');
  const who = viewers === 0 ? 'nobody watches' : viewers === 1 ? 'one viewer gets it' : `${viewers} viewers get it`;
  const others = coming === 0 ? '' : `; ${coming} more ${coming === 1 ? 'is' : 'are'} about to connect`;
  const text = `Nothing is wrong that the server can see: "${name}" has ${what}, and ${who}${others}.`;
  const advice =
    'If somebody sees nothing all the same, look at the player: is it muted, hidden, or does it wait for a click?';
  return { code: 'ALL_WELL', severity: 'info', text, advice };
}

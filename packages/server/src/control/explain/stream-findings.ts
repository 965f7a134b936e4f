import type { ExplainConversion, ExplainSession, ExplainStream } from '@sluice/contract';
import type { Draft, ExplainFacts, SessionDraft } from './finding.ts';
import { codecName, list, percent, seconds, sentence, titleOf } from './words.ts';

/** A track that has sent nothing for this long has stopped; encoders send both within this time. */
const SILENT_MS = 5000;
/** A publication that has sent nothing yet is given this long. */
const BEGINNING_MS = 3000;
const MIN_LOSS = 0.02;
const BUSY_SHARE = 0.9;
const MANY_QUEUED = 25;
const MANY_DROPPED = 10;
/** Hints that say again what another finding says. */
const MISSING = new Set(['VIDEO_MISSING', 'AUDIO_MISSING']);

/** What is to be said about the stream itself and what its publisher sends. */
export function streamFindings(facts: ExplainFacts): SessionDraft[] {
  const { stream } = facts;
  if (stream === undefined) return facts.live ? [] : [notLive(facts)];
  if (!facts.live) return [waitsForPublisher(stream, facts)];
  const publisher = facts.sessions.find(({ mediaType }) => mediaType === 'publish');
  const silence = silenceOf(stream);
  const hints = stream.hints.filter(({ code }) => silence === undefined || !MISSING.has(code));
  return [
    ...(silence === undefined ? [] : [silence]),
    ...mutes(stream),
    ...lossOf(publisher),
    ...stream.conversions.flatMap(slowConversion),
    ...hints.map(({ code, severity, text }) => ({ code, severity, text, advice: '' })),
  ];
}

function notLive({ name, atMs, past, similarNames = [] }: ExplainFacts): Draft {
  const last = past.find(({ mediaType, status }) => mediaType === 'publish' && status !== 'FAILED');
  const until =
    last?.endedMs === undefined
      ? 'Nobody publishes it.'
      : `Its publication ended ${seconds(atMs - last.endedMs)} ago${because(last.lastError)}.`;
  const text = `"${name}" is not live. ${until}`;
  const meant = similarNames.length === 0 ? '' : ` Live are ${list(similarNames.map((one) => `"${one}"`))}.`;
  const advice = `Start the publisher, with the very same name: capital and small letters differ.${meant}`;
  return { code: 'NOT_LIVE', severity: 'error', text, advice };
}

function because(error: string | undefined): string {
  return error === undefined || error === '' ? '' : `: ${error}`;
}

function waitsForPublisher({ viewers }: ExplainStream, { name }: ExplainFacts): Draft {
  const text = `The publisher of "${name}" has gone. ${viewers} viewers are kept for the case that it comes back.`;
  const advice = 'Start the publisher again; publisher_reconnect_wait says how long viewers are kept.';
  return { code: 'WAITS_FOR_PUBLISHER', severity: 'error', text, advice };
}

function silenceOf({ video, audio, uptimeSeconds }: ExplainStream): Draft | undefined {
  const ages = [video?.lastPacketAgeMs, audio?.lastPacketAgeMs].filter((age) => age !== undefined);
  const code = 'NO_MEDIA_FROM_PUBLISHER';
  if (ages.length === 0) {
    if (uptimeSeconds * 1000 < BEGINNING_MS) return undefined;
    const text = `The publisher is there for ${uptimeSeconds} s and has sent neither picture nor sound.`;
    const advice = 'Check that camera and microphone, or the encoder’s inputs, are on and may be used.';
    return { code, severity: 'error', text, advice };
  }
  const age = Math.min(...ages);
  if (age < SILENT_MS) return undefined;
  const text = `Nothing has come from the publisher for ${seconds(age)}, although its connection is there.`;
  const advice = 'Look whether the encoder hangs, the tab sleeps in the background, or its network is cut.';
  return { code, severity: 'error', text, advice };
}

function mutes({ video, audio }: ExplainStream): Draft[] {
  const muted = [
    ['video', video?.muted, 'camera'],
    ['audio', audio?.muted, 'microphone'],
  ] as const;
  return muted.flatMap(([kind, isMuted, device]): Draft[] => {
    if (isMuted !== true) return [];
    const text = `The publisher has muted its ${titleOf(kind)}.`;
    const advice = `Unmute the ${device} in the publisher’s page.`;
    return [{ code: 'MUTED', severity: 'warning', text, advice, kind }];
  });
}

function lossOf(publisher: ExplainSession | undefined): SessionDraft[] {
  return (publisher?.media ?? []).flatMap(({ kind, lossFraction = 0, recovered = 0, nacks = 0 }): SessionDraft[] => {
    if (lossFraction < MIN_LOSS) return [];
    const again = nacks > 0 ? `; ${recovered} others came again after they were asked for` : '';
    const text = `${percent(lossFraction)} of the packets of the publisher’s ${titleOf(kind)} are lost on the way here${again}: all viewers see it.`;
    const advice = 'Lower the publisher’s bitrate, or use a better network: cable rather than Wi-Fi.';
    return [{ code: 'PUBLISHER_LOSS', severity: 'warning', text, advice, kind, session: publisher }];
  });
}

function slowConversion(conversion: ExplainConversion): Draft[] {
  const { kind, from, to, busyShare = 0, queued = 0, dropped = 0, failure } = conversion;
  if (failure !== undefined) return [];
  const signs = [
    busyShare >= BUSY_SHARE ? `its worker is busy with it ${percent(busyShare)} of the time` : '',
    queued >= MANY_QUEUED ? `${queued} packets wait for it` : '',
    dropped >= MANY_DROPPED ? `${dropped} packets were left out` : '',
  ].filter((sign) => sign !== '');
  if (signs.length === 0) return [];
  const what = `the conversion of the ${titleOf(kind)} from ${codecName(from)} to ${codecName(to)}`;
  const text = `${sentence(what)} does not keep up: ${list(signs)}.`;
  const advice =
    kind === 'video'
      ? 'Publish H.264 without B-frames, which needs no conversion, or a smaller picture.'
      : 'The machine is overloaded: look at its load.';
  return [{ code: 'CONVERSION_SLOW', severity: 'warning', text, advice, kind }];
}

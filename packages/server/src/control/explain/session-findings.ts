import type { ExplainConversion, ExplainMedia, ExplainSession } from '@sluice/contract';
import type { Draft, ExplainFacts, SessionDraft } from './finding.ts';
import { lossFinding, webRtcFindings } from './webrtc-findings.ts';
import { codecName, list, number, percent, seconds, titleOf } from './words.ts';

const MIN_LOSS = 0.02;
const MUCH_LOSS = 0.2;
const BLOCKED_MS = 2000;
const BEHIND_MS = 4000;
/** A viewer that has just come may wait for a moment. */
const START_MS = 1000;
/** Of offered codecs that a sentence names. */
const MAX_NAMED = 6;

/** What is to be said about a session of this moment. */
export function sessionFindings(session: ExplainSession, facts: ExplainFacts): SessionDraft[] {
  const ageMs = Math.max(0, facts.atMs - (session.sinceMs ?? facts.atMs));
  const connection = session.webrtc === undefined ? [] : webRtcFindings(session, session.webrtc, ageMs);
  // What is not connected has no media to be judged.
  const broken = connection.some(({ severity }) => severity === 'error');
  const pending = session.webrtc !== undefined && session.webrtc.dtls.state !== 'connected';
  const viewer = session.mediaType === 'play' && !broken && !pending ? viewerFindings(session, facts, ageMs) : [];
  return [...connection, ...viewer].map((draft) => ({ ...draft, session }));
}

function viewerFindings(session: ExplainSession, facts: ExplainFacts, ageMs: number): Draft[] {
  return [
    ...session.media.flatMap((media) => mediaFindings(media, facts, ageMs)),
    ...hlsFindings(session),
    ...slowFindings(session),
  ];
}

function mediaFindings(media: ExplainMedia, facts: ExplainFacts, ageMs: number): Draft[] {
  return [
    ...(media.delivery === 'left_out' ? [leftOut(media)] : []),
    ...(media.delivery === 'converted' ? [converted(media)] : []),
    ...keyFrameFindings(media, facts, ageMs),
    ...lossFinding(media, { warning: MIN_LOSS, error: MUCH_LOSS }),
  ];
}

/** A kind of media that the stream has and the viewer does not get. */
export function leftOut({ kind, reason, refused = [], offered }: ExplainMedia): Draft {
  const missing = refused.find((one) => one.reason === 'not_offered');
  const why = missing?.text ?? reason ?? 'the viewer does not take it';
  const offer = offered === undefined || offered.length === 0 ? '' : ` It offers ${list(offered.slice(0, MAX_NAMED))}.`;
  const text = `The viewer gets no ${titleOf(kind)}: ${why}.${offer}`;
  const advice =
    kind === 'video'
      ? 'Publish H.264, which all viewers take, or allow conversions (transcoding_disabled=false).'
      : 'Publish Opus for WebRTC viewers or AAC for all others, or allow conversions (transcoding_disabled=false).';
  return { code: kind === 'video' ? 'VIDEO_LEFT_OUT' : 'AUDIO_LEFT_OUT', severity: 'error', text, advice, kind };
}

function converted({ kind, conversion, codec }: ExplainMedia): Draft {
  const { from, to = codec, worker, cpuShare, msPerFrame } = conversion ?? {};
  const costs = [
    worker === undefined ? '' : `in process ${worker}`,
    cpuShare === undefined ? '' : `${percent(cpuShare)} of a core`,
    msPerFrame === undefined ? '' : `${number(msPerFrame, 2)} ms for each ${kind === 'video' ? 'picture' : 'packet'}`,
  ].filter((cost) => cost !== '');
  const cost = costs.length === 0 ? '' : ` (${costs.join(', ')})`;
  const source = from === undefined ? '' : ` from ${codecName(from)}`;
  const what =
    from === to
      ? `encoded anew as ${codecName(to)}, as its pictures are out of order (B-frames),`
      : `converted${source} to ${codecName(to)}`;
  const text = `The ${titleOf(kind)} is ${what} for this kind of viewer, once for all of them${cost}.`;
  const advice =
    kind === 'video'
      ? 'To save this work, and for a better picture, publish H.264 without B-frames.'
      : `Nothing needs to be done; a publisher that sends ${codecName(to)} saves this work.`;
  return { code: 'CODEC_CONVERTED', severity: 'info', text, advice, kind };
}

function keyFrameFindings(media: ExplainMedia, { stream, live }: ExplainFacts, ageMs: number): Draft[] {
  const { waitsForKeyFrame, conversion } = media;
  const video = stream?.video;
  if (waitsForKeyFrame !== true || ageMs < START_MS || !live || video === null || video === undefined) return [];
  if (video.lastPacketAgeMs === undefined) return [];
  if (conversion !== undefined) return [slowStart(conversion)];
  const last =
    video.lastKeyFrameAgeMs === undefined
      ? 'none has come yet'
      : `the last one came ${seconds(video.lastKeyFrameAgeMs)} ago`;
  const interval = video.keyFrameIntervalMs > 0 ? `, they are ${seconds(video.keyFrameIntervalMs)} apart` : '';
  const text = `The viewer is connected and has no picture: it waits for a key frame; ${last}${interval}. Only with a key frame can a decoder begin.`;
  const advice = video.keyFramesOnRequest
    ? 'The publisher was asked for one and has not sent it yet: its network may lose packets, or its encoder hangs.'
    : 'Set the encoder’s key frame interval to 2 s (OBS: Keyframe Interval; FFmpeg: -g with twice the frame rate). With a longer gop_cache_duration the server keeps older ones for viewers who join.';
  return [{ code: 'WAITS_FOR_KEY_FRAME', severity: 'error', text, advice, kind: 'video' }];
}

/** A conversion can make a key frame whenever it is asked to. */
function slowStart({ from, to, busyShare, worker }: ExplainConversion): Draft {
  const busy = busyShare === undefined ? '' : `, whose worker is busy ${percent(busyShare)} of the time`;
  const where = worker === undefined ? ', which waits for a worker process' : busy;
  const text = `The viewer is connected and has no picture yet: nothing has come out of the conversion from ${codecName(from)} to ${codecName(to)}${where}.`;
  const advice = 'A conversion begins within a second on a machine that is at rest: look at its load.';
  return { code: 'CONVERSION_SLOW', severity: 'error', text, advice, kind: 'video' };
}

function hlsFindings({ protocol, tcp }: ExplainSession): Draft[] {
  if (protocol !== 'hls' || tcp?.segments === undefined || tcp.segments > 0) return [];
  const { refusal } = tcp;
  const code = 'HLS_NOT_READY';
  if (refusal !== undefined) {
    const text = `Nothing of the stream can be packaged for HLS: ${refusal}.`;
    return [{ code, severity: 'error', text, advice: 'Publish H.264 and AAC, or allow conversions.' }];
  }
  const text = 'The first HLS segment is not finished: segments end at key frames only.';
  return [{ code, severity: 'warning', text, advice: 'Set the encoder’s key frame interval to 2 s.' }];
}

function slowFindings({ drops, tcp }: ExplainSession): Draft[] {
  if (tcp?.paused === true)
    return [{ code: 'PAUSED', severity: 'info', text: 'The viewer has paused.', advice: 'Let it play on.' }];
  const dropped = drops['slow_viewer'] ?? 0;
  const { blockedMs = 0, behindMs = 0, queuedBytes = 0 } = tcp ?? {};
  const signs = [
    blockedMs >= BLOCKED_MS ? `it has read nothing for ${seconds(blockedMs)}, ${queuedBytes} bytes wait for it` : '',
    behindMs >= BEHIND_MS ? `it is ${seconds(behindMs)} behind` : '',
    dropped > 0 ? `${dropped} packets were skipped for it` : '',
  ].filter((sign) => sign !== '');
  if (signs.length === 0) return [];
  const text = `The viewer reads more slowly than the stream goes: ${list(signs)}.`;
  const advice = 'Its network or its player is too slow for the bitrate: publish less, or let it use a better network.';
  return [{ code: 'SLOW_VIEWER', severity: 'warning', text, advice }];
}

import { type AudioCodec, parseH264ProfileLevel, type Track, type VideoCodec } from '@sluice/media';
import {
  type Acceptance,
  type Adaptations,
  MediaServerError,
  type PeerRequest,
  type Stream,
  type VideoForm,
  withPicture,
} from '../../core/index.ts';
import type { NegotiatedTrack as ReceivedTrack } from '../../rtp/index.ts';
import type { WebRtcOptions } from './options.ts';
import { fitsLayers } from './send/asked-layer.ts';
import type { PlayedMedia } from './send/played-media.ts';
import {
  type LocalSources,
  type NegotiatedMedia,
  type NegotiatedTrack,
  negotiate,
  parseOffer,
  type RtpCodec,
  type SourceFormat,
} from './wire/offer-answer/index.ts';

/** What sound is turned into for browsers; the first that they take. */
const AUDIO_CONVERSIONS = ['opus', 'pcma', 'pcmu', 'g722'] as const;

/**
 * What a publisher's offer comes to.
 * @throws MediaServerError SDP_INVALID or NO_COMMON_CODECS
 */
export function negotiatePublish(request: PeerRequest, options: WebRtcOptions): NegotiatedMedia {
  return negotiate(parseOffer(request.offer), {
    direction: 'receive',
    videoCodecs: options.videoCodecs,
    audioCodecs: options.audioCodecs,
    h264Profiles: options.h264Profiles,
    videoOrientation: request.videoOrientation,
    transportCc: options.transportCc,
    // What the client asks for beats the settings; the Web SDK writes the same into the answer once more.
    minBitrateBps: request.minBitrateBps || options.sdpMinBitrateBps,
    maxBitrateBps: request.maxBitrateBps || options.sdpMaxBitrateBps,
    simulcast: options.simulcast,
    red: options.red,
  });
}

/** What a player's offer comes to. */
export interface PlayAgreement {
  readonly negotiated: NegotiatedMedia;
  readonly acceptance: Acceptance;
  /** The picture that it asks for is chosen among the encodings of the publisher. */
  readonly asked: VideoForm | undefined;
}

/** What there is to play. */
interface PlayedStream {
  readonly stream: Stream;
  readonly adaptations: Adaptations;
  /** The picture may be changed to H.264 while it is played. Default: false. */
  readonly changesQuality?: boolean;
}

/**
 * What a player's offer comes to, for a stream of which it is known what it consists of. A picture that is asked for in a
 * form is one of the encodings of the publisher where they do, else it is made anew, in the profile of H.264 that is agreed
 * on.
 * @throws MediaServerError SDP_INVALID, NO_COMMON_CODECS or TRANSCODING_DISABLED
 */
export function negotiatePlay(request: PeerRequest, from: PlayedStream, options: WebRtcOptions): PlayAgreement {
  const { picture } = request;
  if (picture === undefined || !fitsLayers(from.stream.layers, picture)) return negotiateForm(request, from, options);
  const agreed = negotiateForm({ ...request, picture: undefined }, from, options);
  const takesLayers = from.adaptations.needsConversion(from.stream, agreed.acceptance).video === 'no';
  return takesLayers ? { ...agreed, asked: picture } : negotiateForm(request, from, options);
}

function negotiateForm(request: PeerRequest, from: PlayedStream, options: WebRtcOptions): PlayAgreement {
  const { stream, adaptations } = from;
  const converts = adaptations.enabled;
  const { picture } = request;
  if (picture !== undefined && !converts)
    throw new MediaServerError(
      'TRANSCODING_DISABLED',
      'the player asks for a size or bitrate of the picture, and transcoding_disabled forbids to make it: ask for neither',
    );
  const offer = parseOffer(request.offer);
  const video = picture === undefined ? videoFormat(stream, converts) : madeFormat(stream);
  const policy = {
    direction: 'send',
    videoCodecs: options.videoCodecs,
    audioCodecs: options.audioCodecs,
    h264Profiles: options.h264Profiles,
    videoOrientation: request.videoOrientation,
    transportCc: options.sending.transportCc,
    red: options.red,
    alsoVideo: from.changesQuality === true && picture === undefined ? 'h264' : undefined,
  } as const;
  const negotiated = negotiateOrExplain(
    () => negotiate(offer, { ...policy, video, audio: audioFormat(stream, converts) }),
    // With conversions it would do: so it is only the setting that is in the way.
    converts
      ? undefined
      : () => negotiate(offer, { ...policy, video: videoFormat(stream, true), audio: audioFormat(stream, true) }),
  );
  const acceptance = acceptanceOf(negotiated);
  if (picture === undefined || negotiated.video === undefined) return { negotiated, acceptance, asked: undefined };
  const profile = picture.profile ?? encodedProfile(negotiated.video);
  return { negotiated, acceptance: withPicture(acceptance, { ...picture, profile }), asked: undefined };
}

/** What a picture is that is made in any case. */
function madeFormat(stream: Stream): SourceFormat | undefined {
  const usual = videoFormat(stream, true);
  return usual && { codec: 'unknown', conversions: ['h264'] };
}

/** The richest profile that encoders here make and that the player decodes (RFC 6184 §8.1). */
function encodedProfile({ formatParameters }: NegotiatedTrack): VideoForm['profile'] {
  const id = /profile-level-id=([0-9a-f]{6})/i.exec(formatParameters)?.[1];
  switch (id === undefined ? undefined : parseH264ProfileLevel(id)?.profile) {
    case 'high':
    case 'constrained_high':
      return 100;
    case 'main':
      return 77;
    default:
      return 66;
  }
}

function negotiateOrExplain(
  attempt: () => NegotiatedMedia,
  withConversions: (() => NegotiatedMedia) | undefined,
): NegotiatedMedia {
  let negotiated: NegotiatedMedia | undefined;
  let refusal: unknown;
  try {
    negotiated = attempt();
  } catch (error) {
    refusal = error;
  }
  if (withConversions === undefined) {
    if (negotiated === undefined) throw refusal;
    return negotiated;
  }
  const missing = negotiated?.sections.some((section) => !section.accepted && section.reason === 'codecs') ?? true;
  if (!missing && negotiated !== undefined) return negotiated;
  if (negotiated === undefined && !(refusal instanceof MediaServerError && refusal.code === 'NO_COMMON_CODECS'))
    throw refusal;
  withConversions();
  throw new MediaServerError(
    'TRANSCODING_DISABLED',
    'the player does not take the codecs of the stream, and transcoding_disabled forbids to convert them',
  );
}

/** True when a packet may have to be sent twice under one number: the peer asks for lost ones, and has no other way. */
export function resendsAsIs({ video, audio }: NegotiatedMedia): boolean {
  return [video, audio].some((track) => track?.feedback.nack === true && track.rtxPayloadType === undefined);
}

/** What the picture of a stream is; for one that has none yet, what its publisher agreed on, or what it may be turned into. */
export function videoFormat(stream: Stream, converts: boolean): SourceFormat | undefined {
  const conversions: readonly RtpCodec[] = converts ? ['h264'] : [];
  const lane = stream.rtp.video.format;
  const track = lane?.track ?? stream.state.video;
  const agreed = agreedCodec(stream, 'video');
  if (track === undefined && agreed !== undefined) return { codec: agreed, conversions };
  if (track === undefined)
    return stream.state.audio === undefined || converts ? { codec: 'unknown', conversions: ['h264'] } : undefined;
  // Browsers do not put pictures in order.
  if (lane === undefined && stream.reordersVideo) return { codec: 'unknown', conversions };
  return {
    codec: track.codec,
    packetizationMode: lane?.packetizationMode ?? 1,
    profileLevelId: profileLevelId(track),
    conversions,
  };
}

/** The same for its sound. */
export function audioFormat(stream: Stream, converts: boolean): SourceFormat | undefined {
  const conversions: readonly RtpCodec[] = converts ? AUDIO_CONVERSIONS : [];
  const track = stream.rtp.audio.format?.track ?? stream.state.audio;
  const agreed = agreedCodec(stream, 'audio');
  if (track === undefined && agreed !== undefined) return { codec: agreed, conversions };
  if (track === undefined)
    return stream.state.video === undefined || converts
      ? { codec: 'unknown', conversions: AUDIO_CONVERSIONS }
      : undefined;
  return { codec: track.codec, conversions };
}

/** What comes of a kind of which nothing has come yet, where the publisher agreed on that. */
function agreedCodec({ publisher }: Stream, kind: Track['kind']): Track['codec'] | undefined {
  return publisher?.agreedTracks?.find((agreed) => agreed.kind === kind)?.codec;
}

/** The three bytes after the header of the SPS (RFC 6184 §8.1). */
function profileLevelId(track: Track): string | undefined {
  const sps = track.codec === 'h264' ? track.parameters[0] : undefined;
  if (sps === undefined || sps.length < 4) return undefined;
  return Array.from(sps.subarray(1, 4), (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** What a player takes after that agreement. */
export function acceptanceOf({ video, audio }: Pick<NegotiatedMedia, 'video' | 'audio'>): Acceptance {
  const audioTarget = AUDIO_CONVERSIONS.find((codec) => codec === audio?.codec);
  return {
    key: `webrtc ${video?.codec ?? '-'} ${video?.also?.codec ?? '-'} ${audio?.codec ?? '-'}`,
    video: new Set<VideoCodec>([video, video?.also].flatMap((format) => (format ? [format.codec as VideoCodec] : []))),
    audio: new Set<AudioCodec>(audio === undefined ? [] : [audio.codec as AudioCodec]),
    reorderedVideo: false,
    videoTarget: video?.codec === 'h264' || video?.also?.codec === 'h264' ? 'h264' : undefined,
    audioTarget,
  };
}

/** The tracks of a player, with the sources that it was told. */
export function playedMedia(negotiated: NegotiatedMedia, sources: LocalSources): PlayedMedia[] {
  return [negotiated.video, negotiated.audio].flatMap((track) => {
    const source = track && sources[track.kind];
    if (track === undefined || source === undefined) return [];
    const formats = track.also === undefined ? [track] : [track, track.also];
    return {
      kind: track.kind,
      ssrc: source.ssrc,
      rtxSsrc: source.rtxSsrc ?? 0,
      codecs: formats.map(({ codec, payloadType, rtxPayloadType, redPayloadType, packetizationMode }) => ({
        ...{ codec, payloadType, rtxPayloadType, redPayloadType, packetizationMode },
      })),
      orientationId: track.extensions.videoOrientation,
      sendTimeId: track.feedback.remb ? track.extensions.absSendTime : undefined,
      transportSequenceId: track.feedback.transportCc ? track.extensions.transportCc : undefined,
      repeats: track.feedback.nack,
    };
  });
}

/** The tracks of a publisher. */
export function receivedTracks(negotiated: NegotiatedMedia): ReceivedTrack[] {
  return [negotiated.video, negotiated.audio].flatMap((track) => (track === undefined ? [] : [receivedTrack(track)]));
}

function receivedTrack(track: NegotiatedTrack): ReceivedTrack {
  const {
    kind,
    codec,
    payloadType,
    clockRate,
    rtxPayloadType,
    packetizationMode,
    channels,
    feedback,
    sources,
    extensions,
  } = track;
  return {
    kind,
    codec,
    payloadType,
    clockRate,
    rtxPayloadType,
    ssrc: sources.ssrc,
    rtxSsrc: sources.rtxSsrc,
    packetizationMode,
    channels: channels === 1 ? 1 : 2,
    layers: track.layers,
    redPayloadType: track.redPayloadType,
    feedback,
    extensions: {
      transportSequence: extensions.transportCc,
      orientation: extensions.videoOrientation,
      rid: extensions.rid,
      repairedRid: extensions.repairedRid,
      audioLevel: extensions.audioLevel,
      dependencyDescriptor: extensions.dependencyDescriptor,
    },
  };
}

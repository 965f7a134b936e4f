import type { Stream } from '../../../core/index.ts';
import { audioFormat, videoFormat } from '../negotiation.ts';
import type { FormatToOffer, RtpCodec, SourceFormat } from '../wire/offer-answer/index.ts';
import type { WebRtcRelayOptions } from './options.ts';

export interface SentFormats {
  readonly video: readonly FormatToOffer[];
  readonly audio: readonly FormatToOffer[];
  /** Why a kind of media is not offered although the stream has it, for people. */
  readonly notes: readonly string[];
}

export interface StreamToSend {
  readonly stream: Stream;
  /** Tracks may be converted. */
  readonly converts: boolean;
  readonly without: 'audio' | 'video' | undefined;
}

/** What can be offered of a stream: its own codecs first, then what it can be converted to. */
export function formatsOfStream({ stream, converts, without }: StreamToSend, options: WebRtcRelayOptions): SentFormats {
  const { videoCodecs, audioCodecs, h264Profiles } = options;
  const notes: string[] = [];
  const offered = (kind: 'video' | 'audio'): readonly FormatToOffer[] => {
    if (without === kind) return [];
    const source = kind === 'video' ? videoFormat(stream, converts) : audioFormat(stream, converts);
    if (source === undefined) return [];
    const allowed: readonly RtpCodec[] = kind === 'video' ? videoCodecs : audioCodecs;
    const codecs = [...new Set<string>([source.codec, ...(source.conversions ?? [])])];
    const formats = codecs.filter(isOneOf(allowed)).flatMap((codec) => formatsOf(codec, source, h264Profiles));
    const codec = stream.state[kind]?.codec;
    if (formats.length === 0 && codec !== undefined)
      notes.push(
        `${kind} is left out: ${codec} can not be sent by WebRTC, or not without conversion (transcoding_disabled)`,
      );
    return formats;
  };
  return { video: offered('video'), audio: offered('audio'), notes };
}

function isOneOf(allowed: readonly RtpCodec[]): (codec: string) => codec is RtpCodec {
  return (codec): codec is RtpCodec => (allowed as readonly string[]).includes(codec);
}

/** H.264 by the stream's own profile, then as everybody knows it: decoders take more than they say. */
function formatsOf(codec: RtpCodec, source: SourceFormat, h264Profiles: readonly string[]): FormatToOffer[] {
  if (codec !== 'h264') return [{ codec }];
  const own = source.codec === 'h264' ? source.profileLevelId : undefined;
  const usual = h264Profiles[0] ?? '42e01f';
  const profiles = own === undefined || own === usual ? [usual] : [own, usual];
  return profiles.map((profileLevelId) => ({ codec, profileLevelId }));
}

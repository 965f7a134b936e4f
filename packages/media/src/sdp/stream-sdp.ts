import { parseAacConfig } from '../codec/aac.ts';
import { parseAv1Sequence } from '../codec/av1.ts';
import { NAL_SPS, nalType } from '../codec/h264-nal.ts';
import { H265_PPS, H265_SPS, H265_VPS, h265NalType } from '../codec/h265-nal.ts';
import { l16Channels, parseG726Parameters } from '../codec/raw-audio.ts';
import { ProtocolError, type Track } from '../packet.ts';
import { rtpClockRate } from '../rtp/payload/audio.ts';
import { isRtpCodec, type RtpCodec } from '../rtp/payload/for-codec.ts';
import { base64Text } from './codec-parameters.ts';
import { type FormatParameters, writeFormatParameters } from './fmtp.ts';
import type { MediaDescription, SdpAttribute, SdpOrigin } from './session-description.ts';
import { writeSessionDescription } from './write.ts';

/** Dynamic payload types (RFC 3551 §6: 96 to 127), one for each codec; static ones go before them. */
const PAYLOAD_TYPES: Readonly<Record<RtpCodec, number>> = {
  h264: 96,
  aac: 97,
  h265: 98,
  opus: 99,
  vp8: 100,
  vp9: 101,
  av1: 102,
  g726: 103,
  l16: 104,
  speex: 105,
  pcmu: 106,
  pcma: 107,
  g722: 9,
  mjpeg: 26,
};

const NAMES: Readonly<Record<RtpCodec, string>> = {
  h264: 'H264',
  h265: 'H265',
  vp8: 'VP8',
  vp9: 'VP9',
  av1: 'AV1',
  mjpeg: 'JPEG',
  aac: 'MPEG4-GENERIC',
  opus: 'opus',
  pcmu: 'PCMU',
  pcma: 'PCMA',
  g722: 'G722',
  g726: 'G726',
  l16: 'L16',
  speex: 'speex',
};

const G711_RATE = 8000;

/**
 * The payload type that {@link writeStreamSdp} gives a track: the same for all tracks of a codec, but static ones for
 * G.711 at 8000 Hz, G.722 and JPEG. Undefined for codecs without a payload format.
 */
export function streamPayloadType({ codec, clockRate }: Pick<Track, 'codec' | 'clockRate'>): number | undefined {
  if (codec === 'pcmu' && clockRate === G711_RATE) return 0;
  if (codec === 'pcma' && clockRate === G711_RATE) return 8;
  return isRtpCodec(codec) ? PAYLOAD_TYPES[codec] : undefined;
}

export interface StreamSdpOptions {
  /** `s=`; `-` by default. Line breaks are taken out. */
  readonly name?: string | undefined;
  readonly origin?: SdpOrigin | undefined;
  /** Address of the `c=` line; `0.0.0.0` by default, as RTSP wants it where the transport is agreed upon later. */
  readonly address?: string | undefined;
  /** `a=range` of a live stream, `npt=0-`; true by default. */
  readonly range?: boolean | undefined;
}

/**
 * Describes the tracks of a stream as RTSP servers answer DESCRIBE and clients ANNOUNCE (RFC 2326 appendix C): packets
 * as `rtpPacketizer` makes them, each track at `trackID=` its position in the list, 0 for the first. Tracks whose codec
 * has no payload format are left out; the positions of the others stay.
 */
export function writeStreamSdp(tracks: readonly Track[], options: StreamSdpOptions = {}): string {
  const { name = '-', origin, address = '0.0.0.0', range = true } = options;
  const media = tracks.map(sectionOf);
  return writeSessionDescription({
    origin,
    name: name.replaceAll(/[\r\n\0]/g, ' ').trim() || '-',
    connection: `IN ${address.includes(':') ? 'IP6' : 'IP4'} ${address}`,
    attributes: [
      { name: 'tool', value: 'Sluice' },
      { name: 'control', value: '*' },
      ...(range ? [{ name: 'range', value: 'npt=0-' }] : []),
    ],
    media: media.filter((section) => section !== undefined),
  });
}

function sectionOf(track: Track, index: number): MediaDescription | undefined {
  const type = streamPayloadType(track);
  if (type === undefined || !isRtpCodec(track.codec)) return undefined;
  const parameters = parametersOf(track);
  const attributes: SdpAttribute[] = [{ name: 'rtpmap', value: `${type} ${encodingOf(track, track.codec)}` }];
  if (parameters.size > 0) attributes.push({ name: 'fmtp', value: `${type} ${writeFormatParameters(parameters)}` });
  attributes.push({ name: 'control', value: `trackID=${index}` });
  return { kind: track.kind, port: 0, protocol: 'RTP/AVP', formats: [String(type)], attributes };
}

/** Name, clock and channels as `a=rtpmap` has them. */
function encodingOf(track: Track, codec: RtpCodec): string {
  const base = `${NAMES[codec]}/${rtpClockRate(track)}`;
  switch (codec) {
    case 'opus':
      return `${base}/2`;
    case 'l16':
      return `${base}/${l16Channels(track.parameters)}`;
    case 'aac':
      return `${base}/${aacChannels(track)}`;
    case 'g726': {
      const format = orUndefined(() => parseG726Parameters(track.parameters));
      const packing = format?.packing === 'aal2' ? 'AAL2-' : '';
      return `${packing}G726-${(format?.bitsPerSample ?? 4) * 8}/${rtpClockRate(track)}`;
    }
    default:
      return base;
  }
}

function aacChannels({ parameters: [config] }: Track): number {
  return (config && orUndefined(() => parseAacConfig(config))?.channels) ?? 2;
}

function parametersOf(track: Track): FormatParameters {
  switch (track.codec) {
    case 'h264':
      return new Map(h264Parameters(track.parameters));
    case 'h265':
      return new Map(h265Parameters(track.parameters));
    case 'av1':
      return new Map(av1Parameters(track.parameters));
    case 'aac':
      return new Map(aacParameters(track.parameters));
    case 'opus':
      return new Map([['sprop-stereo', '1']]);
    default:
      return new Map();
  }
}

type Pairs = readonly (readonly [string, string])[];

function h264Parameters(sets: readonly Uint8Array[]): Pairs {
  const sps = sets.find((unit) => nalType(unit) === NAL_SPS);
  if (sps === undefined) return [['packetization-mode', '1']];
  return [
    ['packetization-mode', '1'],
    ['profile-level-id', hex(sps.subarray(1, 4))],
    ['sprop-parameter-sets', sets.map(base64Text).join(',')],
  ];
}

function h265Parameters(sets: readonly Uint8Array[]): Pairs {
  const names = { 'sprop-vps': H265_VPS, 'sprop-sps': H265_SPS, 'sprop-pps': H265_PPS };
  return Object.entries(names)
    .map(([name, type]) => [name, sets.filter((unit) => h265NalType(unit) === type)] as const)
    .filter(([, units]) => units.length > 0)
    .map(([name, units]) => [name, units.map(base64Text).join(',')] as const);
}

/** RTP payload format for AV1 §7.2.1. */
function av1Parameters([sequence]: readonly Uint8Array[]): Pairs {
  const facts = sequence && orUndefined(() => parseAv1Sequence(sequence));
  if (facts === undefined) return [];
  const { profile, level, highTier } = facts;
  return [
    ['profile', String(profile)],
    ['level-idx', String(level)],
    ['tier', highTier ? '1' : '0'],
  ];
}

/** RFC 3640 §4.1; the level is that of AAC with two channels, which is what everybody writes. */
function aacParameters([config]: readonly Uint8Array[]): Pairs {
  return [
    ['streamtype', '5'],
    ['profile-level-id', '1'],
    ['mode', 'AAC-hbr'],
    ['sizelength', '13'],
    ['indexlength', '3'],
    ['indexdeltalength', '3'],
    ...(config === undefined ? [] : [['config', hex(config)] as const]),
  ];
}

function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

function orUndefined<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (error instanceof ProtocolError) return undefined;
    throw error;
  }
}

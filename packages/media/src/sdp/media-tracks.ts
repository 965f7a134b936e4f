import { ProtocolError } from '../packet.ts';
import { aacAuHeaderFormat, aacParameters, h264Parameters, h265Parameters, latmFormat } from './codec-parameters.ts';
import type { DescribedMedia, DescribedTrack, SdpDirection } from './described-track.ts';
import { parseSdpFragment } from './parse.ts';
import { type RtpPayloadFormat, readRtpSection } from './rtp-section.ts';
import { hasSdpAttribute, type MediaDescription, type SessionDescription, sdpValue } from './session-description.ts';
import { tolerantLines } from './tolerant-lines.ts';

/** What a format tells of its track. */
type Format = Pick<DescribedTrack, 'codec' | 'clockRate'> &
  Partial<Pick<DescribedTrack, 'channels' | 'packetizationMode' | 'startCodes' | 'aac' | 'parameters'>>;

/**
 * Reads the session description of an RTSP server, camera or publisher (RFC 2326 appendix C), with what real ones get
 * wrong: lines that are none, missing ports, formats that only `rtpmap` names, parameter sets with start codes. Media
 * that can't be used is left out with a note; what is neither sound nor picture (ONVIF metadata) without one.
 * @throws ProtocolError SDP_TOO_LARGE, and others of `parseSdpFragment`
 */
export function readMediaTracks(sdp: string): DescribedMedia {
  const description = parseSdpFragment(tolerantLines(sdp));
  const tracks: DescribedTrack[] = [];
  const notes: string[] = [];
  for (const [section, media] of description.media.entries()) {
    const kind = media.kind.toLowerCase();
    if (kind !== 'video' && kind !== 'audio') continue;
    const read = trackOf({ ...media, kind }, description);
    if (typeof read === 'string') notes.push(read);
    else tracks.push({ ...read, section });
  }
  return {
    name: description.name,
    control: nonEmpty(sdpValue(description, 'control')),
    range: nonEmpty(sdpValue(description, 'range')),
    tracks,
    notes,
  };
}

type Kind = DescribedTrack['kind'];

/** The track of a section, or why it is left out. */
function trackOf(
  media: MediaDescription & { readonly kind: Kind },
  session: SessionDescription,
): Omit<DescribedTrack, 'section'> | string {
  const { kind } = media;
  if (/savp/i.test(media.protocol)) return leftOut(kind, media.protocol, 'it is encrypted');
  const direction = directionOf(media) ?? directionOf(session) ?? 'sendrecv';
  if (direction === 'inactive') return leftOut(kind, media.formats[0] ?? '', 'it is inactive');
  const formats = formatsOf(media);
  const reasons: string[] = [];
  for (const format of formats) {
    const read = formatOf(kind, format);
    if (typeof read === 'string') reasons.push(leftOut(kind, format.encodingName, read));
    else {
      const multicastAddress = multicastOf(media.connection ?? session.connection);
      return {
        kind,
        payloadType: format.payloadType,
        ...read,
        direction,
        port: media.port,
        ...optional('control', nonEmpty(sdpValue(media, 'control'))),
        ...optional('multicastAddress', multicastAddress),
      };
    }
  }
  return reasons[0] ?? leftOut(kind, media.formats[0] ?? '', 'the description does not tell what it is');
}

/** Formats of the `m=` line; where it has none that is known, all that an `rtpmap` tells of. */
function formatsOf(media: MediaDescription): readonly RtpPayloadFormat[] {
  const usualClockRate = media.kind === 'video' ? VIDEO_CLOCK_RATE : G711_RATE;
  const section = { ...media, attributes: media.attributes.map((attribute) => tidyMap(attribute, usualClockRate)) };
  const { formats } = readRtpSection(section);
  if (formats.length > 0) return formats;
  const mapped = section.attributes.filter(({ name }) => name === 'rtpmap').map(({ value }) => value ?? '');
  return readRtpSection({ ...section, formats: mapped.map((value) => value.split(/\s/, 1)[0] ?? '') }).formats;
}

type Attribute = MediaDescription['attributes'][number];

/** `96 H264/90000/`, `96 H264 / 90000`, and `96 H264` with its clock left out. */
function tidyMap(attribute: Attribute, usualClockRate: number): Attribute {
  if (attribute.name !== 'rtpmap') return attribute;
  const parts = (attribute.value ?? '').split('/').map((part) => part.trim());
  while (parts.length > 1 && parts.at(-1) === '') parts.pop();
  const value = parts.join('/');
  return { name: 'rtpmap', value: /^\d+\s+[^\s/]+$/.test(value) ? `${value}/${usualClockRate}` : value };
}

const VIDEO_CLOCK_RATE = 90_000;
const MAX_AUDIO_RATE = 192_000;
const G711_RATE = 8000;

/** What is read of a format, or why it can't be used. */
function formatOf(kind: Kind, format: RtpPayloadFormat): Format | string {
  const reader = (kind === 'video' ? VIDEO_READERS : AUDIO_READERS).get(format.encodingName.toLowerCase());
  if (reader === undefined) return 'this codec is not supported';
  if (format.clockRate < 1 || format.clockRate > MAX_AUDIO_RATE) return `a clock of ${format.clockRate} Hz`;
  try {
    return reader(format);
  } catch (error) {
    if (error instanceof ProtocolError) return error.message;
    throw error;
  }
}

type FormatReader = (format: RtpPayloadFormat) => Format | string;

const VIDEO_READERS: ReadonlyMap<string, FormatReader> = new Map<string, FormatReader>([
  ['h264', readH264],
  ['h265', readH265],
  ['hevc', readH265],
  ['vp8', ({ clockRate }) => ({ codec: 'vp8', clockRate })],
  ['vp9', ({ clockRate }) => ({ codec: 'vp9', clockRate })],
  ['av1', ({ clockRate }) => ({ codec: 'av1', clockRate })],
  ['jpeg', ({ clockRate }) => ({ codec: 'mjpeg', clockRate })],
]);

const AUDIO_READERS: ReadonlyMap<string, FormatReader> = new Map<string, FormatReader>([
  ['mpeg4-generic', readAac],
  ['mp4a-latm', readLatm],
  ['opus', readOpus],
  ['pcma', (format) => readTelephony('pcma', format)],
  ['pcmu', (format) => readTelephony('pcmu', format)],
  ['g722', (format) => monoOr(format, { codec: 'g722', clockRate: G711_RATE })],
  ['l16', readL16],
  ['speex', (format) => monoOr(format, { codec: 'speex', clockRate: format.clockRate })],
  ...[2, 3, 4, 5].flatMap((bits): [string, FormatReader][] => [
    [`g726-${bits * 8}`, () => g726(bits, false)],
    [`aal2-g726-${bits * 8}`, () => g726(bits, true)],
  ]),
  // The standard that G.726 replaced; static type 2 had this name.
  ['g721', () => g726(4, false)],
]);

function readH264({ clockRate, parameters }: RtpPayloadFormat): Format | string {
  const mode = parameters.get('packetization-mode');
  if (mode === '2') return 'its packets are interleaved';
  const packetizationMode = mode === '0' ? 0 : 1;
  const sets = optional('parameters', h264Parameters(parameters));
  return { codec: 'h264', clockRate, packetizationMode, startCodes: true, ...sets };
}

function readH265({ clockRate, parameters }: RtpPayloadFormat): Format | string {
  if (Number(parameters.get('sprop-max-don-diff') ?? 0) > 0) return 'its packets are interleaved';
  return { codec: 'h265', clockRate, startCodes: true, ...optional('parameters', h265Parameters(parameters)) };
}

function readAac(format: RtpPayloadFormat): Format | string {
  const { clockRate, parameters } = format;
  const mode = parameters.get('mode')?.toLowerCase() ?? 'aac-hbr';
  if (!['aac-hbr', 'aac-lbr', 'generic'].includes(mode)) return `mode ${mode.slice(0, 32)} is not supported`;
  return { codec: 'aac', clockRate, aac: aacAuHeaderFormat(parameters), parameters: aacParameters(format) };
}

function readLatm({ clockRate, parameters }: RtpPayloadFormat): Format {
  const aac = latmFormat(parameters);
  const config = aac.config && [aac.config.audioConfig];
  return { codec: 'aac', clockRate, aac, ...optional('parameters', config) };
}

/** `sprop-stereo` is a hint (RFC 7587 §6.1); without it packets may have two channels all the same. */
function readOpus({ clockRate, parameters }: RtpPayloadFormat): Format | string {
  if (clockRate !== 48_000) return `a clock of ${clockRate} Hz`;
  return { codec: 'opus', clockRate, channels: parameters.get('sprop-stereo') === '0' ? 1 : 2 };
}

function readTelephony(codec: 'pcma' | 'pcmu', format: RtpPayloadFormat): Format | string {
  return monoOr(format, { codec, clockRate: format.clockRate });
}

function readL16({ clockRate, channels }: RtpPayloadFormat): Format | string {
  if (channels !== 1 && channels !== 2) return `${channels} channels`;
  return { codec: 'l16', clockRate, parameters: [Uint8Array.of(channels)] };
}

function g726(bits: number, aal2: boolean): Format {
  return { codec: 'g726', clockRate: G711_RATE, parameters: [Uint8Array.of(bits, aal2 ? 1 : 0)] };
}

function monoOr({ channels }: RtpPayloadFormat, format: Format): Format | string {
  return channels === 1 ? format : `${channels} channels`;
}

function directionOf(part: Pick<MediaDescription, 'attributes'>): SdpDirection | 'inactive' | undefined {
  return (['sendrecv', 'sendonly', 'recvonly', 'inactive'] as const).find((name) => hasSdpAttribute(part, name));
}

/** `IN IP4 239.1.2.3/127` */
function multicastOf(connection: string | undefined): string | undefined {
  const address = /^IN\s+IP[46]\s+([^\s/]+)/i.exec(connection ?? '')?.[1];
  return address !== undefined && /^(22[4-9]|23\d)\.|^ff[0-9a-f]{2}:/i.test(address) ? address : undefined;
}

function leftOut(kind: Kind, name: string, reason: string): string {
  return `${kind} "${name.slice(0, 32)}" is left out: ${reason}`;
}

function nonEmpty(text: string | undefined): string | undefined {
  return text === '' ? undefined : text;
}

function optional<K extends string, T>(key: K, value: T | undefined): { [P in K]?: T } {
  return (value === undefined ? {} : { [key]: value }) as { [P in K]?: T };
}

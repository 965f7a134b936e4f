import { type FormatParameters, parseFormatParameters } from './fmtp.ts';
import type { MediaDescription } from './session-description.ts';

/** One payload type of a media section, with all that the section says about it. */
export interface RtpPayloadFormat {
  /** 0 to 127. */
  readonly payloadType: number;
  /** Encoding name as it is written: `H264`, `opus`, `rtx`. */
  readonly encodingName: string;
  readonly clockRate: number;
  /** 1 unless the description says more. */
  readonly channels: number;
  readonly parameters: FormatParameters;
  /** Values of `a=rtcp-fb`, in order: `nack`, `nack pli`, `transport-cc`. */
  readonly feedback: readonly string[];
}

/** A header extension (`a=extmap`, RFC 8285 §5). */
export interface RtpExtensionMap {
  readonly id: number;
  readonly uri: string;
  readonly direction: string | undefined;
}

/** Sources that a sender announces (RFC 5576). */
export interface RtpSource {
  readonly ssrc: number;
  readonly cname: string | undefined;
}

/** What a media section says about RTP. */
export interface RtpSection {
  /**
   * Formats of the `m=` line in its order. Those without `a=rtpmap` are left out unless their number is a static one
   * (RFC 3551 §6).
   */
  readonly formats: readonly RtpPayloadFormat[];
  readonly extensions: readonly RtpExtensionMap[];
  readonly sources: readonly RtpSource[];
  /** `a=ssrc-group`, by semantics in upper case: `FID` (a source and its retransmissions), `SIM`. */
  readonly sourceGroups: readonly { readonly semantics: string; readonly ssrcs: readonly number[] }[];
}

/** Static payload types (RFC 3551 §6) that WebRTC or cameras may have. */
const STATIC_FORMATS: ReadonlyMap<number, readonly [name: string, clockRate: number, channels?: number]> = new Map([
  [0, ['PCMU', 8000]],
  [2, ['G721', 8000]],
  [8, ['PCMA', 8000]],
  [9, ['G722', 8000]],
  [10, ['L16', 44_100, 2]],
  [11, ['L16', 44_100]],
  [13, ['CN', 8000]],
  [14, ['MPA', 90_000]],
  [18, ['G729', 8000]],
  [26, ['JPEG', 90_000]],
]);

const MAX_PAYLOAD_TYPE = 127;
const MAX_EXTENSION_ID = 255;
const MAX_U32 = 0xffff_ffff;
/** More sources than one medium of any client; the rest is left out. */
const MAX_SOURCES = 64;

interface Collected {
  readonly maps: Map<number, readonly [name: string, clockRate: number, channels: number]>;
  readonly parameters: Map<number, string>;
  readonly feedback: Map<number, string[]>;
  readonly feedbackOfAll: string[];
  readonly extensions: RtpExtensionMap[];
  readonly sources: Map<number, RtpSource>;
  readonly sourceGroups: { semantics: string; ssrcs: number[] }[];
}

/** Reads the attributes of a section that RTP needs. Total: lines that can't be read are left out. */
export function readRtpSection(section: MediaDescription): RtpSection {
  const collected: Collected = {
    maps: new Map(),
    parameters: new Map(),
    feedback: new Map(),
    feedbackOfAll: [],
    extensions: [],
    sources: new Map(),
    sourceGroups: [],
  };
  for (const { name, value = '' } of section.attributes) READERS.get(name)?.(collected, value);
  const { extensions, sources, sourceGroups } = collected;
  return { formats: formatsOf(section, collected), extensions, sources: [...sources.values()], sourceGroups };
}

const READERS: ReadonlyMap<string, (to: Collected, value: string) => void> = new Map([
  ['rtpmap', readRtpMap],
  ['fmtp', readFormatParameters],
  ['rtcp-fb', readFeedback],
  ['extmap', readExtension],
  ['ssrc', readSource],
  ['ssrc-group', readSourceGroup],
]);

/** `111 opus/48000/2` */
function readRtpMap({ maps }: Collected, value: string): void {
  const match = /^(\d{1,3})\s+([^\s/]+)\/(\d{1,9})(?:\/(\d{1,3}))?$/.exec(value);
  const type = Number(match?.[1]);
  const name = match?.[2];
  if (name !== undefined && !maps.has(type)) maps.set(type, [name, Number(match?.[3]), Number(match?.[4] ?? 1)]);
}

/** `111 minptime=10;useinbandfec=1`; clients that add a second line mean both. */
function readFormatParameters({ parameters }: Collected, value: string): void {
  const match = /^(\d{1,3})\s+(.*)$/.exec(value);
  const text = match?.[2];
  if (text === undefined) return;
  const type = Number(match?.[1]);
  const before = parameters.get(type);
  parameters.set(type, before === undefined ? text : `${before};${text}`);
}

/** `96 nack pli` or `* nack` (RFC 4585 §4.2) */
function readFeedback({ feedback, feedbackOfAll }: Collected, value: string): void {
  const match = /^(\d{1,3}|\*)\s+(.*)$/.exec(value);
  const text = match?.[2]?.replaceAll(/\s+/g, ' ');
  if (text === undefined) return;
  if (match?.[1] === '*') return void feedbackOfAll.push(text);
  const type = Number(match?.[1]);
  const list = feedback.get(type);
  if (list === undefined) feedback.set(type, [text]);
  else list.push(text);
}

/** `4/sendonly urn:… attributes` */
function readExtension({ extensions }: Collected, value: string): void {
  const match = /^(\d{1,5})(?:\/([a-z]+))?\s+(\S+)/.exec(value);
  const id = Number(match?.[1]);
  const uri = match?.[3];
  if (uri !== undefined && id > 0 && id <= MAX_EXTENSION_ID) extensions.push({ id, uri, direction: match?.[2] });
}

/** `1234 cname:abc` */
function readSource({ sources }: Collected, value: string): void {
  const match = /^(\d{1,10})(?:\s+(.*))?$/.exec(value);
  const ssrc = Number(match?.[1]);
  if (match === null || ssrc > MAX_U32 || (!sources.has(ssrc) && sources.size >= MAX_SOURCES)) return;
  const cname = match[2]?.startsWith('cname:') ? match[2].slice('cname:'.length) : undefined;
  sources.set(ssrc, { ssrc, cname: sources.get(ssrc)?.cname ?? cname });
}

/** `FID 1234 5678` */
function readSourceGroup({ sourceGroups }: Collected, value: string): void {
  const [semantics = '', ...words] = value.split(/\s+/);
  const ssrcs = words.map(Number);
  if (ssrcs.length === 0 || sourceGroups.length >= MAX_SOURCES) return;
  if (words.every((word) => /^\d{1,10}$/.test(word)) && ssrcs.every((ssrc) => ssrc <= MAX_U32))
    sourceGroups.push({ semantics: semantics.toUpperCase(), ssrcs });
}

function formatsOf(section: MediaDescription, collected: Collected): RtpPayloadFormat[] {
  const seen = new Set<number>();
  const formats: RtpPayloadFormat[] = [];
  for (const word of section.formats) {
    const payloadType = /^\d{1,3}$/.test(word) ? Number(word) : -1;
    if (payloadType < 0 || payloadType > MAX_PAYLOAD_TYPE || seen.has(payloadType)) continue;
    seen.add(payloadType);
    const map = collected.maps.get(payloadType) ?? STATIC_FORMATS.get(payloadType);
    if (map === undefined) continue;
    const [encodingName, clockRate, channels = 1] = map;
    formats.push({
      payloadType,
      encodingName,
      clockRate,
      channels,
      parameters: parseFormatParameters(collected.parameters.get(payloadType) ?? ''),
      feedback: [...(collected.feedback.get(payloadType) ?? []), ...collected.feedbackOfAll],
    });
  }
  return formats;
}

import { ProtocolError } from '../packet.ts';
import type { MediaDescription, SdpAttribute, SdpOrigin, SessionDescription } from './session-description.ts';

/** Bounds of what is read; a text beyond one of them is refused as a whole. */
export const SDP_LIMITS = Object.freeze({
  /** Characters of a whole description. Chromium's offers have 6,000 for two sections. */
  characters: 64 * 1024,
  lineCharacters: 4096,
  mediaSections: 64,
  /** Of the session level and of each media section. */
  attributes: 1024,
  /** Payload types of a media section: RTP has no more than 128. */
  formats: 256,
});

const MAX_PORT = 65_535;
/** Tokens that an answer repeats, so they must be printable and without blanks. */
const TOKEN = /^[\x21-\x7e]+$/;
const ATTRIBUTE_NAME = /^[\x21-\x39\x3b-\x7e]+$/;

interface OpenPart {
  connection?: string;
  readonly attributes: SdpAttribute[];
}

interface OpenMedia extends OpenPart, Pick<MediaDescription, 'kind' | 'port' | 'protocol' | 'formats'> {}

/**
 * Reads a session description (RFC 8866). Takes what clients really send: CRLF, LF or both, blanks at the end of
 * lines, empty lines, missing `o=`, `s=` and `t=`. Lines that WebRTC has no use for (`i=`, `b=`, `k=`, …) are left
 * out. Total: any text gives a description or one error.
 * @throws ProtocolError SDP_TOO_LARGE, SDP_BAD_LINE, SDP_BAD_VERSION or SDP_BAD_MEDIA
 */
export function parseSessionDescription(text: string): SessionDescription {
  const lines = linesOf(text);
  const version = lines[0];
  if (version !== 'v=0')
    throw new ProtocolError('SDP_BAD_VERSION', `begins with "${clip(version ?? '')}", not with v=0`);
  return new Parser().read(lines.slice(1));
}

/**
 * Reads a fragment as trickle ICE sends it (`application/trickle-ice-sdpfrag`, RFC 8840 §9): attributes and pseudo
 * `m=` lines, without the lines that begin a whole description, which are accepted all the same.
 * @throws ProtocolError SDP_TOO_LARGE, SDP_BAD_LINE or SDP_BAD_MEDIA
 */
export function parseSdpFragment(text: string): SessionDescription {
  return new Parser().read(linesOf(text));
}

class Parser {
  readonly #session: OpenPart & { origin?: SdpOrigin; name?: string } = { attributes: [] };
  readonly #media: OpenMedia[] = [];
  #part: OpenPart = this.#session;

  read(lines: readonly string[]): SessionDescription {
    for (const line of lines) this.#line(line);
    return { ...this.#session, media: this.#media };
  }

  #line(line: string): void {
    const type = line[0] ?? '';
    if (line[1] !== '=' || type < 'a' || type > 'z')
      throw new ProtocolError('SDP_BAD_LINE', `"${clip(line)}" is no line`);
    const value = line.slice(2);
    if (type === 'a') return this.#attribute(value);
    if (type === 'm') return this.#begin(value);
    if (type === 'c') this.#part.connection ??= value;
    else if (type === 's') this.#session.name ??= value;
    else if (type === 'o') {
      const origin = parseOrigin(value);
      if (origin !== undefined) this.#session.origin ??= origin;
    }
  }

  #attribute(text: string): void {
    const { attributes } = this.#part;
    if (attributes.length >= SDP_LIMITS.attributes)
      throw new ProtocolError('SDP_TOO_LARGE', `more than ${SDP_LIMITS.attributes} attributes in a section`);
    const colon = text.indexOf(':');
    const name = colon < 0 ? text : text.slice(0, colon);
    if (!ATTRIBUTE_NAME.test(name)) throw new ProtocolError('SDP_BAD_LINE', `"a=${clip(text)}" names no attribute`);
    attributes.push(colon < 0 ? { name } : { name, value: text.slice(colon + 1).trim() });
  }

  #begin(text: string): void {
    if (this.#media.length >= SDP_LIMITS.mediaSections)
      throw new ProtocolError('SDP_TOO_LARGE', `more than ${SDP_LIMITS.mediaSections} media sections`);
    const section = parseMediaLine(text);
    this.#media.push(section);
    this.#part = section;
  }
}

/** `<media> <port>[/<number of ports>] <proto> <fmt> …` */
function parseMediaLine(text: string): OpenMedia {
  const [kind = '', portText = '', protocol = '', ...formats] = text.split(/[ \t]+/).filter((word) => word !== '');
  const port = /^\d{1,5}(\/\d{1,5})?$/.test(portText) ? Number.parseInt(portText, 10) : -1;
  const isGood = port >= 0 && port <= MAX_PORT && formats.length > 0;
  if (!isGood || ![kind, protocol, ...formats].every((word) => TOKEN.test(word)))
    throw new ProtocolError('SDP_BAD_MEDIA', `"m=${clip(text)}" is not a media line`);
  if (formats.length > SDP_LIMITS.formats)
    throw new ProtocolError('SDP_TOO_LARGE', `more than ${SDP_LIMITS.formats} formats in a section`);
  return { kind, port, protocol, formats, attributes: [] };
}

/** Nothing depends on the origin of an offer, so a bad one is as good as none. */
function parseOrigin(text: string): SdpOrigin | undefined {
  const [username, sessionId, sessionVersion, network, addressType, address] = text.split(' ');
  if (username === undefined || sessionId === undefined || sessionVersion === undefined) return undefined;
  if (network !== 'IN' || (addressType !== 'IP4' && addressType !== 'IP6') || address === undefined) return undefined;
  return { username, sessionId, sessionVersion, addressType, address };
}

function linesOf(text: string): string[] {
  if (text.length > SDP_LIMITS.characters)
    throw new ProtocolError('SDP_TOO_LARGE', `${text.length} characters, ${SDP_LIMITS.characters} are allowed`);
  const lines: string[] = [];
  for (const raw of text.split('\n')) {
    if (raw.length > SDP_LIMITS.lineCharacters)
      throw new ProtocolError('SDP_TOO_LARGE', `a line has ${raw.length} characters`);
    // Scripts that edit descriptions glue text behind a line's CR; dropped, the line is what they meant.
    const line = raw.replaceAll('\r', '').trimEnd();
    // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are just what is refused.
    if (/[\u0000-\u0008\u000b-\u001f\u007f]/.test(line))
      throw new ProtocolError('SDP_BAD_LINE', 'control characters in a line');
    if (line !== '') lines.push(line);
  }
  return lines;
}

function clip(text: string): string {
  return text.slice(0, 64);
}

import { ProtocolError } from '../packet.ts';
import { SDP_LIMITS } from './parse.ts';

const ATTRIBUTE = /^a=[\x21-\x39\x3b-\x7e]+(:|$)/;
const MAX_LINES = 8192;
/** Of which what is read may be no more than `SDP_LIMITS.characters`. */
const MAX_CHARACTERS = 4 * SDP_LIMITS.characters;

/**
 * Makes a description that cameras write one that `parseSdpFragment` takes: leaves out what is no line, repairs `m=`
 * lines and breaks lines that have lost their end.
 * @throws ProtocolError SDP_TOO_LARGE
 */
export function tolerantLines(text: string): string {
  if (text.length > MAX_CHARACTERS)
    throw new ProtocolError('SDP_TOO_LARGE', `${text.length} characters, ${MAX_CHARACTERS} are allowed`);
  const lines: string[] = [];
  // A byte order mark, or blanks, before the first line; lone carriage returns as line ends.
  for (const raw of text.replaceAll('\uFEFF', '').split(/\r\n|\n|\r/, MAX_LINES)) {
    // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are just what is taken out.
    const line = raw.replaceAll(/[\u0000-\u0008\u000b-\u001f\u007f]/g, '').trim();
    if (!/^[a-z]=/.test(line) || line.length > SDP_LIMITS.lineCharacters) continue;
    if (line.startsWith('m=')) lines.push(mediaLine(line.slice(2)));
    else if (!line.startsWith('a=') || ATTRIBUTE.test(line)) lines.push(line);
  }
  return lines.join('\n');
}

/** Cameras without a port, or whose port is no number, still mean a medium; its formats are then those of `rtpmap`. */
function mediaLine(text: string): string {
  const [kind = '', port = '', protocol = '', ...formats] = text
    .split(/\s+/)
    .map((word) => word.replaceAll(/[^\x21-\x7e]/g, ''))
    .filter((word) => word !== '')
    .slice(0, SDP_LIMITS.formats);
  const number = /^\d{1,5}(\/\d{1,5})?$/.test(port) && Number.parseInt(port, 10) <= 65_535 ? port : '0';
  const known = formats.length > 0 ? formats : ['-'];
  return `m=${kind || '-'} ${number} ${protocol || 'RTP/AVP'} ${known.join(' ')}`;
}

import { ProtocolError } from '../packet.ts';
import type { MediaDescription, SdpAttribute, SessionDescription } from './session-description.ts';

const NO_ORIGIN = { username: '-', sessionId: '0', sessionVersion: '0', addressType: 'IP4', address: '127.0.0.1' };

/**
 * Writes a session description (RFC 8866) with CRLF, in the order of lines that the RFC wants and the order of
 * attributes that is given.
 * @throws ProtocolError SDP_BAD_LINE when a text that was put in would break its line
 */
export function writeSessionDescription(description: SessionDescription): string {
  const { username, sessionId, sessionVersion, addressType, address } = description.origin ?? NO_ORIGIN;
  const lines = ['v=0', `o=${username} ${sessionId} ${sessionVersion} IN ${addressType} ${address}`];
  lines.push(`s=${description.name ?? '-'}`);
  if (description.connection !== undefined) lines.push(`c=${description.connection}`);
  lines.push('t=0 0', ...description.attributes.map(attributeLine), ...description.media.flatMap(mediaLines));
  return join(lines);
}

/**
 * Writes a fragment for trickle ICE (RFC 8840 §9).
 * @throws ProtocolError SDP_BAD_LINE when a text that was put in would break its line
 */
export function writeSdpFragment(fragment: Pick<SessionDescription, 'attributes' | 'media'>): string {
  return join([...fragment.attributes.map(attributeLine), ...fragment.media.flatMap(mediaLines)]);
}

function mediaLines({ kind, port, protocol, formats, connection, attributes }: MediaDescription): string[] {
  const first = `m=${kind} ${port} ${protocol} ${formats.join(' ')}`;
  return [first, ...(connection === undefined ? [] : [`c=${connection}`]), ...attributes.map(attributeLine)];
}

function attributeLine({ name, value }: SdpAttribute): string {
  return value === undefined ? `a=${name}` : `a=${name}:${value}`;
}

function join(lines: readonly string[]): string {
  const broken = lines.find((line) => ['\r', '\n', '\0'].some((end) => line.includes(end)));
  if (broken !== undefined) throw new ProtocolError('SDP_BAD_LINE', `line break inside "${broken.slice(0, 64)}"`);
  return `${lines.join('\r\n')}\r\n`;
}

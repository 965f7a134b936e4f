import {
  hasSdpAttribute,
  iceCredentials,
  ProtocolError,
  parseSdpFragment,
  parseSessionDescription,
  type SessionDescription,
  sdpValue,
  sdpValues,
  writeSdpFragment,
} from '@sluice/media';
import type { IceCredentials } from '../../../core/index.ts';

/**
 * Credentials in a fragment that a client sent (RFC 8840 §9); undefined when it has none, as candidates alone do.
 * @throws ProtocolError when it can't be read or its credentials are not allowed
 */
export function credentialsOf(fragment: string): IceCredentials | undefined {
  return credentialsIn(parseSdpFragment(fragment));
}

/** Credentials of a whole description; undefined when it has none that can be read. */
export function credentialsOfOffer(offer: string): IceCredentials | undefined {
  try {
    return credentialsIn(parseSessionDescription(offer));
  } catch (error) {
    if (error instanceof ProtocolError) return undefined;
    throw error;
  }
}

/** The answer's transport again, with new credentials: what an ICE restart is answered with (RFC 9725 §4.3.3). */
export function restartFragment(answer: string, { ufrag, pwd }: IceCredentials): string {
  const description = parseSessionDescription(answer);
  const section = description.media.find((media) => hasSdpAttribute(media, 'ice-ufrag'));
  const session = ['group', 'ice-lite'].flatMap((name) => {
    const value = sdpValue(description, name);
    return value === undefined ? [] : [value === '' ? { name } : { name, value }];
  });
  if (section === undefined) return writeSdpFragment({ attributes: session, media: [] });
  const mid = sdpValue(section, 'mid');
  const attributes = [
    ...(mid === undefined ? [] : [{ name: 'mid', value: mid }]),
    { name: 'ice-ufrag', value: ufrag },
    { name: 'ice-pwd', value: pwd },
    ...sdpValues(section, 'candidate').map((value) => ({ name: 'candidate', value })),
    { name: 'end-of-candidates' },
  ];
  const { kind, port, protocol, formats } = section;
  return writeSdpFragment({ attributes: session, media: [{ kind, port, protocol, formats, attributes }] });
}

function credentialsIn(description: SessionDescription): IceCredentials | undefined {
  const part = [description, ...description.media].find((one) => hasSdpAttribute(one, 'ice-ufrag'));
  if (part === undefined) return undefined;
  const credentials = iceCredentials(sdpValue(part, 'ice-ufrag'), sdpValue(part, 'ice-pwd'));
  if (credentials === undefined) throw new ProtocolError('SDP_BAD_LINE', 'a=ice-ufrag or a=ice-pwd is malformed');
  return credentials;
}

/** One `a=` line: `a=<name>` or `a=<name>:<value>`. */
export interface SdpAttribute {
  readonly name: string;
  /** Absent for a flag such as `a=rtcp-mux`. */
  readonly value?: string | undefined;
}

/** The `o=` line (RFC 8866 §5.2). */
export interface SdpOrigin {
  readonly username: string;
  readonly sessionId: string;
  readonly sessionVersion: string;
  readonly addressType: 'IP4' | 'IP6';
  readonly address: string;
}

/** A media section: an `m=` line and all lines up to the next one (RFC 8866 §5.14). */
export interface MediaDescription {
  /** `audio`, `video`, `application`, … as it is written. */
  readonly kind: string;
  readonly port: number;
  readonly protocol: string;
  /** Payload types for RTP; at least one, not necessarily numbers. */
  readonly formats: readonly string[];
  /** Value of the section's own `c=` line. */
  readonly connection?: string | undefined;
  readonly attributes: readonly SdpAttribute[];
}

/** A session description (RFC 8866), or a fragment of one, which has neither origin nor name. */
export interface SessionDescription {
  readonly origin?: SdpOrigin | undefined;
  readonly name?: string | undefined;
  /** Value of the session's `c=` line. */
  readonly connection?: string | undefined;
  readonly attributes: readonly SdpAttribute[];
  readonly media: readonly MediaDescription[];
}

/** Part of a description that has attributes: the session level or a media section. */
export type SdpPart = Pick<SessionDescription, 'attributes'>;

/** Value of the first attribute of that name; undefined when there is none, empty for a flag. */
export function sdpValue(part: SdpPart, name: string): string | undefined {
  const found = part.attributes.find((attribute) => attribute.name === name);
  return found === undefined ? undefined : (found.value ?? '');
}

/** Values of all attributes of that name, in order. */
export function sdpValues(part: SdpPart, name: string): string[] {
  return part.attributes.filter((attribute) => attribute.name === name).map(({ value }) => value ?? '');
}

/** True when the attribute is there, with a value or without. */
export function hasSdpAttribute(part: SdpPart, name: string): boolean {
  return part.attributes.some((attribute) => attribute.name === name);
}

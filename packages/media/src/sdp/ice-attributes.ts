/** A candidate of ICE (RFC 8839 §5.1, RFC 6544 §4.5 for TCP). */
export interface IceCandidate {
  readonly foundation: string;
  /** 1 for RTP, or for RTP and RTCP on one port. */
  readonly component: number;
  readonly transport: 'udp' | 'tcp';
  readonly priority: number;
  /** An IP address, or a name that only the local network resolves (`….local`). */
  readonly address: string;
  readonly port: number;
  readonly type: 'host' | 'srflx' | 'prflx' | 'relay';
  readonly tcpType?: 'active' | 'passive' | 'so' | undefined;
}

const CANDIDATE =
  /^(\S{1,64})\s+(\d{1,3})\s+(udp|tcp)\s+(\d{1,10})\s+(\S{1,253})\s+(\d{1,5})\s+typ\s+(host|srflx|prflx|relay)(?:\s+(.*))?$/i;
const TCP_TYPE = /(?:^|\s)tcptype\s+(active|passive|so)(?:\s|$)/i;

/** Reads the value of `a=candidate`; undefined when it is not one that we know. */
export function parseIceCandidate(value: string): IceCandidate | undefined {
  const match = CANDIDATE.exec(value);
  if (match === null) return undefined;
  const [, foundation = '', component, transport = '', priority, address = '', port, type = '', rest = ''] = match;
  if (Number(port) > 65_535) return undefined;
  const tcpType = TCP_TYPE.exec(rest)?.[1]?.toLowerCase() as IceCandidate['tcpType'];
  return {
    foundation,
    component: Number(component),
    transport: transport.toLowerCase() as IceCandidate['transport'],
    priority: Number(priority),
    address,
    port: Number(port),
    type: type.toLowerCase() as IceCandidate['type'],
    ...(tcpType === undefined ? {} : { tcpType }),
  };
}

/** Writes the value of `a=candidate`. */
export function writeIceCandidate(candidate: IceCandidate): string {
  const { foundation, component, transport, priority, address, port, type, tcpType } = candidate;
  const base = `${foundation} ${component} ${transport} ${priority} ${address} ${port} typ ${type}`;
  return tcpType === undefined ? base : `${base} tcptype ${tcpType}`;
}

/** ICE user name fragment and password (RFC 8839 §5.4); undefined when one is missing or breaks the RFC. */
export function iceCredentials(
  ufrag: string | undefined,
  pwd: string | undefined,
): { readonly ufrag: string; readonly pwd: string } | undefined {
  if (ufrag === undefined || pwd === undefined) return undefined;
  if (!/^[A-Za-z0-9+/]{4,256}$/.test(ufrag) || !/^[A-Za-z0-9+/]{22,256}$/.test(pwd)) return undefined;
  return { ufrag, pwd };
}

/** A certificate fingerprint (RFC 8122 §5). */
export interface SdpFingerprint {
  /** Hash function in lower case: `sha-256`. */
  readonly algorithm: string;
  /** Upper-case hexadecimal bytes with colons. */
  readonly value: string;
}

/** Reads the value of `a=fingerprint`; undefined when it is not one. */
export function parseFingerprint(value: string): SdpFingerprint | undefined {
  const match = /^([A-Za-z0-9-]{1,16})\s+((?:[0-9A-Fa-f]{2}:){1,127}[0-9A-Fa-f]{2})$/.exec(value);
  if (match === null) return undefined;
  return { algorithm: (match[1] ?? '').toLowerCase(), value: (match[2] ?? '').toUpperCase() };
}

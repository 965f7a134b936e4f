import { DtlsAssociation } from '../association.ts';
import type { DtlsCloseReason, DtlsOptions, DtlsSrtpKeys } from '../types.ts';
import type { OwnIdentity } from './identities.ts';

/** One end of a handshake in a test, with everything that it has said. */
export interface End {
  readonly association: DtlsAssociation;
  readonly keys: DtlsSrtpKeys[];
  readonly closed: { reason: DtlsCloseReason; detail: string }[];
  /** Datagrams that wait to be delivered to the other end. */
  readonly outgoing: Buffer[];
  /** All datagrams that it ever sent. */
  readonly sent: Buffer[];
}

/** What a test may set otherwise than usual. */
export type EndOptions = Partial<DtlsOptions>;

/** Makes an end whose datagrams pile up in `outgoing`. */
export function createEnd(role: 'client' | 'server', own: OwnIdentity, options: EndOptions): End {
  const keys: DtlsSrtpKeys[] = [];
  const closed: { reason: DtlsCloseReason; detail: string }[] = [];
  const outgoing: Buffer[] = [];
  const sent: Buffer[] = [];
  const association = new DtlsAssociation({
    role,
    certificate: own.certificate,
    remoteFingerprints: [],
    srtpProfiles: ['AEAD_AES_128_GCM', 'AES_CM_128_HMAC_SHA1_80'],
    send: (datagram) => {
      outgoing.push(datagram);
      sent.push(datagram);
    },
    onConnected: (made) => keys.push(made),
    onClosed: (reason, detail) => closed.push({ reason, detail }),
    ...options,
  });
  return { association, keys, closed, outgoing, sent };
}

/** Two ends that trust each other, and the clock that both see. */
export class Pair {
  readonly client: End;
  readonly server: End;
  nowMs = 0;

  constructor(
    identities: { client: OwnIdentity; server: OwnIdentity },
    o: { client?: EndOptions; server?: EndOptions } = {},
  ) {
    const { client, server } = identities;
    this.client = createEnd('client', client, { remoteFingerprints: server.fingerprints, ...o.client });
    this.server = createEnd('server', server, { remoteFingerprints: client.fingerprints, ...o.server });
  }

  start(): void {
    this.server.association.start(this.nowMs);
    this.client.association.start(this.nowMs);
  }

  /** Delivers what both have sent, and what they send then, until both are silent. */
  settle(): void {
    while (this.client.outgoing.length + this.server.outgoing.length > 0) {
      for (const datagram of this.client.outgoing.splice(0)) this.server.association.receive(datagram, this.nowMs);
      for (const datagram of this.server.outgoing.splice(0)) this.client.association.receive(datagram, this.nowMs);
    }
  }

  /** Lets time pass for both. */
  advance(ms: number): void {
    this.nowMs += ms;
    this.client.association.tick(this.nowMs);
    this.server.association.tick(this.nowMs);
  }

  get bothConnected(): boolean {
    return this.client.association.connected && this.server.association.connected;
  }
}

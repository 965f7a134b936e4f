import type { DtlsFacts, IceFacts, WebRtcFacts } from '../../../core/index.ts';
import type { TransportLink } from '../transport/index.ts';

/** What a peer knows of its connection; candidates are the signalling's matter. */
export interface PeerFacts extends Omit<WebRtcFacts, 'ice'> {
  readonly ice: Omit<IceFacts, 'serverCandidates' | 'clientCandidates'>;
}

/** All that a peer's facts are drawn from; times are `performance.now()`, -1 for what has not happened. */
export interface PeerState {
  readonly nowMs: number;
  readonly createdMs: number;
  readonly connectivityMs: number;
  readonly keysMs: number;
  readonly profile: string | undefined;
  readonly closed: boolean;
  /** Undefined before it began. */
  readonly ice: TransportLink['ice'] | undefined;
  readonly dtls: { readonly state: 'new' | 'handshake' | 'connected' | 'closed'; readonly discardedRecords: number };
  readonly role: 'client' | 'server';
  readonly srtp: WebRtcFacts['srtp'] | undefined;
}

/** Puts a peer's state into the words of an explanation. */
export function peerFacts(state: PeerState): PeerFacts {
  const { malformed = 0, unauthentic = 0, replayed = 0 } = state.srtp ?? {};
  return { ice: iceFacts(state), dtls: dtlsFacts(state), srtp: { malformed, unauthentic, replayed } };
}

function iceFacts({ ice, nowMs, createdMs, closed }: PeerState): PeerFacts['ice'] {
  const paths = ice?.paths ?? [];
  const { firstCheckMs, lastCheckMs } = ice ?? {};
  return {
    state: closed ? 'closed' : lastCheckMs === undefined ? 'waiting' : paths.some(isSelected) ? 'connected' : 'lost',
    pairs: paths.map((path) => ({
      via: path.via,
      remoteAddress: path.address,
      remotePort: path.port,
      queuedBytes: path.queuedBytes,
      dropped: path.dropped,
      checks: path.checks,
      lastCheckAgeMs: Math.max(0, Math.round(nowMs - path.lastCheckMs)),
      selected: path.selected,
      nominated: path.nominated,
    })),
    rejected: (ice?.rejected ?? []).map(({ path, checks }) => ({
      ...{ via: path.via, remoteAddress: path.address, remotePort: path.port, checks },
    })),
    unauthentic: ice?.unauthentic ?? 0,
    replayed: ice?.replayed ?? 0,
    refused: ice?.refused ?? 0,
    tooMany: ice?.tooMany ?? 0,
    restarts: ice?.restarts ?? 0,
    firstCheckAfterMs: firstCheckMs === undefined ? undefined : Math.max(0, Math.round(firstCheckMs - createdMs)),
    consentAgeMs: lastCheckMs === undefined ? undefined : Math.max(0, Math.round(nowMs - lastCheckMs)),
  };
}

function isSelected(path: { readonly selected: boolean }): boolean {
  return path.selected;
}

function dtlsFacts({ dtls, role, profile, connectivityMs, keysMs }: PeerState): DtlsFacts {
  return {
    state: dtls.state === 'new' || (dtls.state === 'handshake' && connectivityMs < 0) ? 'waiting' : dtls.state,
    role,
    profile,
    handshakeMs: keysMs < 0 || connectivityMs < 0 ? undefined : Math.max(0, Math.round(keysMs - connectivityMs)),
    discardedRecords: dtls.discardedRecords,
  };
}

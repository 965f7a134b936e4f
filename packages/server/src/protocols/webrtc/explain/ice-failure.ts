import type { IceFacts, IcePairFacts } from '../../../core/index.ts';

const MAX_LISTED = 6;

/**
 * Says why there is no way to a peer, or no longer: what was offered to each other, which ways were tried, and what to
 * do.
 * @param what one sentence about what happened, without its full stop
 */
export function iceFailure(what: string, ice: IceFacts): string {
  const { serverCandidates, clientCandidates, pairs, rejected } = ice;
  const parts = [
    `${what}; the client was told ${list(serverCandidates.map(spelled)) || 'no address'}`,
    `its offer has ${list(clientCandidates) || 'no candidates, as usual'}`,
    ...(pairs.length === 0 ? [] : [`tried: ${list(pairs.map(triedPair))}`]),
    ...(rejected.length === 0 ? [] : [`not accepted: ${list(rejected.map(rejectedWay))}`]),
    advice(ice),
  ];
  return parts.join('; ');
}

function advice({ pairs, rejected, serverCandidates }: IceFacts): string {
  if (pairs.length > 0)
    return 'the client has changed its network, sleeps, or has gone without a word: it must connect again, or restart ICE';
  if (rejected.length > 0)
    return 'give each answer to the very connection that made the offer, and only once: no old or edited SDP';
  const places = list(serverCandidates.map(spelled), ' or ') || 'the media port';
  return `nothing arrived at ${places}: check that the firewall lets it in, and that ip is the address that clients reach`;
}

/** Of a candidate as explanations have it: `UDP 203.0.113.5:31001`. */
function spelled(candidate: string): string {
  return candidate.endsWith(' tcp') ? `TCP ${candidate.slice(0, -4)}` : `UDP ${candidate}`;
}

function triedPair(pair: IcePairFacts): string {
  const { checks, lastCheckAgeMs, nominated } = pair;
  const chosen = nominated ? ', chosen by the client' : '';
  return `${wayOf(pair)} (${counted(checks)}, the last ${(lastCheckAgeMs / 1000).toFixed(1)} s ago${chosen})`;
}

function rejectedWay(way: IceFacts['rejected'][number]): string {
  return `${wayOf(way)} (${counted(way.checks)} with another password)`;
}

function wayOf({ via, remoteAddress, remotePort }: Pick<IcePairFacts, 'via' | 'remoteAddress' | 'remotePort'>): string {
  const place = remoteAddress.includes(':') ? `[${remoteAddress}]` : remoteAddress;
  return `${via} ${place}:${remotePort}`;
}

function counted(checks: number): string {
  return checks === 1 ? '1 check' : `${checks} checks`;
}

function list(items: readonly string[], separator = ', '): string {
  const more = items.length - MAX_LISTED;
  const listed = items.slice(0, MAX_LISTED).join(separator);
  return more > 0 ? `${listed} and ${more} more` : listed;
}

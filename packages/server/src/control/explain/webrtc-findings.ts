import { isIP } from 'node:net';
import type { ExplainSession, ExplainWebRtc } from '@sluice/contract';
import type { Draft } from './finding.ts';
import { list, percent, seconds } from './words.ts';

/** A connection that is younger has every right not to be there yet. */
const ICE_PATIENCE_MS = 2000;
const DTLS_PATIENCE_MS = 2000;
const MIN_SRTP_ERRORS = 10;
const LONG_ROUND_TRIP_MS = 400;
/** Browsers check at least every 6 s (RFC 7675 §5.1). */
const LATE_CONSENT_MS = 10_000;

/** What is to be said about a WebRTC connection that exists, or existed, for `ageMs`. */
export function webRtcFindings(session: ExplainSession, webrtc: ExplainWebRtc, ageMs: number): Draft[] {
  const { ice, dtls } = webrtc;
  const over = session.endedMs !== undefined;
  if (ice.firstCheckAfterMs === undefined) return noIce(session, webrtc, ageMs);
  if (ice.state === 'lost' || (ice.consentAgeMs ?? 0) > LATE_CONSENT_MS) return [iceLost(webrtc, over)];
  if (dtls.state !== 'connected') return noDtls(session, webrtc, ageMs);
  return [...srtpErrors(webrtc), ...longRoundTrip(webrtc)];
}

function noIce(session: ExplainSession, { ice }: ExplainWebRtc, ageMs: number): Draft[] {
  const rejected = ice.unauthentic + ice.replayed + ice.tooMany + ice.refused;
  const client = session.mediaType === 'publish' ? 'publisher' : 'viewer';
  if (rejected > 0) {
    const text = `${rejected} connectivity checks of the ${client} came, and none could be accepted: they were made with another password, or by a client that wants the wrong role.`;
    const advice =
      'Give each answer of the server to the very connection that made the offer, and only once: no old or edited SDP.';
    return [{ code: 'ICE_REFUSED', severity: 'error', text, advice }];
  }
  const over = session.endedMs !== undefined;
  if (ageMs < ICE_PATIENCE_MS && !over) return [];
  const ports = [...new Set(ice.serverCandidates.map(portOf))];
  const port = ports.length === 0 ? 'the media port' : list(ports, 'or');
  const told = ice.serverCandidates.length === 0 ? '' : ` It was told ${list(ice.serverCandidates)}.`;
  const text = `In ${seconds(ageMs)} none of the ${client}’s connectivity checks reached ${port}.${told}`;
  return [{ code: 'NO_ICE', severity: 'error', text, advice: iceAdvice(session, ice, ports) }];
}

function iceAdvice({ remoteAddress = '' }: ExplainSession, ice: ExplainWebRtc['ice'], ports: string[]): string {
  const addresses = ice.serverCandidates.map(addressOf);
  const onlyPrivate = addresses.length > 0 && addresses.every(isPrivate);
  const open = `open ${list(ports) || 'the media port'} in the server’s firewall and in the cloud’s security group`;
  if (onlyPrivate && isIP(remoteAddress) > 0 && !isPrivate(remoteAddress))
    return `The client is elsewhere (${remoteAddress}) and was told private addresses only: set ip=<the address that browsers reach>, and ${open}.`;
  const host = `${open.charAt(0).toUpperCase()}${open.slice(1)}`;
  const byTcp = ice.serverCandidates.some((candidate) => candidate.endsWith(' tcp'));
  const more = byTcp
    ? 'Some networks let only web pages through: their clients need the TURN server (turns_port).'
    : 'Some networks of companies let no UDP out at all: ice_tcp_enabled=true lets their clients in by TCP.';
  return `${host}, and set ip=<the address that browsers reach> if none of these is it. ${more}`;
}

function iceLost({ ice }: ExplainWebRtc, over: boolean): Draft {
  const last = ice.pairs[0];
  const where = last === undefined ? '' : ` Last it was at ${last.remoteAddress}:${last.remotePort}.`;
  const text = `The connection was there and is lost: the client’s last connectivity check came ${seconds(ice.consentAgeMs ?? 0)} ${over ? 'before the end' : 'ago'}.${where}`;
  const advice =
    'The client has changed its network, sleeps, or was closed without saying so; it must connect again, or restart ICE.';
  return { code: 'ICE_LOST', severity: 'error', text, advice };
}

function noDtls(session: ExplainSession, { ice, dtls }: ExplainWebRtc, ageMs: number): Draft[] {
  const over = session.endedMs !== undefined;
  const sinceMs = Math.max(0, ageMs - (ice.firstCheckAfterMs ?? 0));
  if (!over && sinceMs < DTLS_PATIENCE_MS) return [];
  const discarded = dtls.discardedRecords > 0 ? ` ${dtls.discardedRecords} records could not be used.` : '';
  const text = `The client is reached (its checks arrive), but the encryption (DTLS) is not agreed on after ${seconds(sinceMs)}; the server is the DTLS ${dtls.role}.${discarded}`;
  const advice =
    session.errorCode === 'dtls_fingerprint'
      ? 'The client’s certificate is not the one that its offer announced: its SDP was altered, or belongs to another connection.'
      : 'Something on the way lets small packets through and not large ones (a VPN with a small MTU, an inspecting firewall), or the client’s SDP was altered.';
  return [{ code: 'NO_DTLS', severity: 'error', text, advice }];
}

function srtpErrors({ srtp }: ExplainWebRtc): Draft[] {
  const errors = srtp.malformed + srtp.unauthentic;
  if (errors < MIN_SRTP_ERRORS) return [];
  const text = `${errors} packets of the client could not be decrypted.`;
  const advice = 'Somebody alters packets on the way, or the client’s encryption has an error: try another browser.';
  return [{ code: 'SRTP_ERRORS', severity: 'warning', text, advice }];
}

function longRoundTrip({ roundTripMs = 0 }: ExplainWebRtc): Draft[] {
  if (roundTripMs < LONG_ROUND_TRIP_MS) return [];
  const text = `A packet takes ${seconds(roundTripMs)} to the client and back: what is lost comes again late, if at all.`;
  const advice = 'Use a server nearer to the client, or a network without congestion.';
  return [{ code: 'LONG_ROUND_TRIP', severity: 'warning', text, advice }];
}

/** What is to be said about packets that a WebRTC viewer did not get. */
export function lossFinding(
  media: Pick<ExplainSession['media'][number], 'kind' | 'lossFraction' | 'resent' | 'nacks'>,
  limits: { readonly warning: number; readonly error: number },
): Draft[] {
  const { kind, lossFraction = 0, resent = 0, nacks = 0 } = media;
  if (lossFraction < limits.warning) return [];
  const severity = lossFraction >= limits.error ? 'error' : 'warning';
  const text = `The viewer reports that ${percent(lossFraction)} of the packets of its ${kind === 'video' ? 'picture' : 'sound'} are lost; it asked for ${nacks} again and was sent ${resent}.`;
  const advice = 'Its network does not take the bitrate: publish less, or use a better network.';
  return [{ code: 'LOSS', severity, text, advice, kind }];
}

function addressOf(candidate: string): string {
  return candidate.replace(/:\d+( tcp)?$/, '').replace(/^\[|\]$/g, '');
}

function portOf(candidate: string): string {
  const [, port = '', tcp] = /:(\d+)( tcp)?$/.exec(candidate) ?? [];
  return port === '' ? '' : `${tcp === undefined ? 'UDP' : 'TCP'} port ${port}`;
}

/** Loopback, link-local, RFC 1918, RFC 6598 and unique local addresses. */
function isPrivate(address: string): boolean {
  return (
    /^(?:127\.|10\.|192\.168\.|169\.254\.|172\.(?:1[6-9]|2\d|3[01])\.|100\.(?:6[4-9]|[7-9]\d|1[01]\d|12[0-7])\.)/.test(
      address,
    ) || /^(?:::1$|f[cd]|fe[89ab])/i.test(address)
  );
}

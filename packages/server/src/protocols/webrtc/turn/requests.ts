import { isIPv6 } from 'node:net';
import type { Counters } from '../../../core/index.ts';
import type { DatagramPort } from '../transport/options.ts';
import type { Endpoint } from '../wire/stun/index.ts';
import type { Allocation } from './allocation.ts';
import type { Allocations } from './allocations.ts';
import type { Authenticated } from './authenticator.ts';
import type { TurnClient } from './client.ts';
import {
  ATTRIBUTE,
  FAMILY,
  FIRST_CHANNEL,
  LAST_CHANNEL,
  METHOD,
  type TurnErrorCode,
  UDP_PROTOCOL,
} from './wire/constants.ts';
import type { TurnMessage } from './wire/read.ts';
import type { TurnWriter } from './wire/write.ts';

/** RFC 8656 §7.2: what is given without a wish, and the most. */
const USUAL_LIFETIME_S = 600;
const MAX_LIFETIME_S = 3600;

/** A request whose sender has proved to know a password. */
export interface ProvenRequest {
  readonly message: TurnMessage;
  readonly client: TurnClient;
  readonly sender: Authenticated;
  readonly nowMs: number;
}

/** What a request leads to: an error, or what is written into its success. */
export interface Outcome {
  readonly result: TurnErrorCode | ((answer: TurnWriter) => void);
  /** The client's allocation is over, once the answer is sent. */
  readonly ends?: boolean;
}

interface RequestDeps {
  readonly allocations: Allocations;
  readonly port: DatagramPort;
  readonly counters: Counters;
}

/** Does what a request asks for (RFC 8656 §7 to §12). */
export function answerRequest(deps: RequestDeps, request: ProvenRequest): Outcome {
  const { message, client, sender } = request;
  if (message.unknownAttributes.length > 0) return { result: 420 };
  const { allocation } = client;
  if (message.method === METHOD.allocate) return allocate(deps, request);
  if (allocation === undefined) return { result: 437 };
  if (allocation.user.username !== sender.user.username) return { result: 441 };
  switch (message.method) {
    case METHOD.refresh:
      return refresh(allocation, request);
    case METHOD.createPermission:
      return createPermission(deps.port, allocation, request);
    default:
      return bindChannel(deps.port, allocation, request);
  }
}

function allocate({ allocations, counters }: RequestDeps, request: ProvenRequest): Outcome {
  const { message, client, sender, nowMs } = request;
  if (client.allocation !== undefined) {
    // The answer was lost, so the request came again (RFC 8656 §7.2).
    const isRepeated = client.allocation.transactionId.equals(message.transactionId);
    return { result: isRepeated ? allocated(client.allocation, nowMs) : 437 };
  }
  const refusal = refusalOfAllocate(message, allocations);
  if (refusal !== undefined) return { result: refusal };
  const made = allocations.create({
    client,
    user: sender.user,
    family: message.family === FAMILY.IPv6 ? 'IPv6' : 'IPv4',
    evenPort: message.evenPort !== undefined,
    transactionId: message.transactionId,
    expiresMs: nowMs + lifetimeOf(message) * 1000,
  });
  if (typeof made === 'string') return { result: made === 'quota' ? 486 : 508 };
  counters.count('turn_allocations');
  return { result: allocated(made, nowMs) };
}

function refusalOfAllocate(message: TurnMessage, allocations: Allocations): TurnErrorCode | undefined {
  if (message.transport === undefined) return 400;
  if (message.transport !== UDP_PROTOCOL) return 442;
  if (message.hasReservation && (message.evenPort !== undefined || message.family !== undefined)) return 400;
  // Ports are not kept for a second allocation: nobody sends RTCP on another port any more.
  if (message.hasReservation || message.evenPort?.reservesNext === true) return 508;
  const { family = FAMILY.IPv4 } = message;
  if (family !== FAMILY.IPv4 && family !== FAMILY.IPv6) return 440;
  return allocations.hasFamily(family === FAMILY.IPv6 ? 'IPv6' : 'IPv4') ? undefined : 440;
}

function allocated({ relayed, client, expiresMs }: Allocation, nowMs: number): (answer: TurnWriter) => void {
  return (answer) =>
    answer
      .address(ATTRIBUTE.xorRelayedAddress, relayed)
      .uint32(ATTRIBUTE.lifetime, Math.max(0, Math.ceil((expiresMs - nowMs) / 1000)))
      .address(ATTRIBUTE.xorMappedAddress, client);
}

function refresh(allocation: Allocation, { message, nowMs }: ProvenRequest): Outcome {
  if (message.family !== undefined && message.family !== familyOf(allocation.relayed)) return { result: 443 };
  const lifetimeS = message.lifetimeS === 0 ? 0 : lifetimeOf(message);
  allocation.expiresMs = nowMs + lifetimeS * 1000;
  return { result: (answer) => answer.uint32(ATTRIBUTE.lifetime, lifetimeS), ends: lifetimeS === 0 };
}

/** All of the peers or none (RFC 8656 §10.2). A permission is for an address, so the port that came with it is not looked at. */
function createPermission(port: DatagramPort, allocation: Allocation, { message, nowMs }: ProvenRequest): Outcome {
  const { peers } = message;
  if (peers.length === 0) return { result: 400 };
  for (const { address } of peers) {
    const refusal = refusalOfPeer(port, allocation, { address, port: port.port });
    if (refusal !== undefined) return { result: refusal };
  }
  for (const { address } of peers) if (!allocation.permit(address, nowMs)) return { result: 508 };
  return { result: () => {} };
}

function bindChannel(port: DatagramPort, allocation: Allocation, { message, nowMs }: ProvenRequest): Outcome {
  const { channel, peers } = message;
  const [peer] = peers;
  if (channel === undefined || peer === undefined || peers.length > 1) return { result: 400 };
  if (channel < FIRST_CHANNEL || channel > LAST_CHANNEL) return { result: 400 };
  const refusal = refusalOfPeer(port, allocation, peer);
  if (refusal !== undefined) return { result: refusal };
  const bound = allocation.bind(channel, peer, nowMs);
  if (bound === 'mismatch') return { result: 400 };
  return { result: bound === 'full' ? 508 : () => {} };
}

/** Peers are our own media and nobody else; what only spells or means such an address otherwise is nobody either. */
function refusalOfPeer(port: DatagramPort, { relayed }: Allocation, peer: Endpoint): TurnErrorCode | undefined {
  if (familyOf(peer) !== familyOf(relayed)) return 443;
  return isPlain(peer.address) && port.isOwn(peer.address, peer.port) ? undefined : 403;
}

/**
 * False for addresses that the system takes for others: "any" (it means this machine), those of IPv4 within IPv6, and
 * groups. Other TURN servers were led into their own networks by these.
 */
function isPlain(address: string): boolean {
  if (isIPv6(address)) return !/^(::$|::ffff:|::[\da-f]+:[\da-f]+$|ff)/i.test(address);
  const first = Number.parseInt(address, 10);
  return first !== 0 && first < 224;
}

function lifetimeOf({ lifetimeS = 0 }: TurnMessage): number {
  return Math.min(Math.max(lifetimeS, USUAL_LIFETIME_S), MAX_LIFETIME_S);
}

function familyOf({ address }: Endpoint): number {
  return isIPv6(address) ? FAMILY.IPv6 : FAMILY.IPv4;
}

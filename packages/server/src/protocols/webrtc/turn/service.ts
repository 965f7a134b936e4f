import type { Counters, Log } from '../../../core/index.ts';
import { RateLimiter } from '../../../io/index.ts';
import type { DatagramPort } from '../transport/options.ts';
import type { Allocations } from './allocations.ts';
import { AnswerLimiter } from './answer-limiter.ts';
import { type Authenticated, type Authenticator, OFFERED_ALGORITHMS } from './authenticator.ts';
import type { TurnClient, TurnTallies } from './client.ts';
import type { TurnLimits } from './options.ts';
import { answerRequest, type Outcome } from './requests.ts';
import { ATTRIBUTE, CHANNEL_HEADER_BYTES, METHOD, type TurnErrorCode } from './wire/constants.ts';
import { readTurnMessage, type TurnMessage } from './wire/read.ts';
import { TurnWriter } from './wire/write.ts';

export interface TurnServiceDeps {
  readonly port: DatagramPort;
  readonly allocations: Allocations;
  readonly authenticator: Authenticator;
  readonly tallies: TurnTallies;
  readonly limits: TurnLimits;
  readonly counters: Counters;
  readonly log: Log;
}

/** What became of a message, for connections: those that only bring garbage or guesses are closed. */
export type Reception = 'taken' | 'unproven' | 'malformed';

const METHODS: ReadonlySet<number> = new Set([
  METHOD.allocate,
  METHOD.refresh,
  METHOD.createPermission,
  METHOD.channelBind,
]);
const FAULT_LINES_PER_SECOND = 5;
/** Addresses of connections can't be forged, and may be those of a proxy. */
const STREAMS_FACTOR = 5;

/** Answers what clients send, whichever way it comes. Has no sockets and no clock: `nowMs` is `performance.now()`. */
export class TurnService {
  readonly #deps: TurnServiceDeps;
  readonly #unproven: AnswerLimiter;
  readonly #unprovenOnStreams: AnswerLimiter;
  readonly #faults = new RateLimiter(FAULT_LINES_PER_SECOND);

  constructor(deps: TurnServiceDeps) {
    this.#deps = deps;
    const { unprovenPerSecond: perSecond, unprovenBurst: burst } = deps.limits;
    this.#unproven = new AnswerLimiter({ perSecond, burst });
    this.#unprovenOnStreams = new AnswerLimiter({
      perSecond: perSecond * STREAMS_FACTOR,
      burst: burst * STREAMS_FACTOR,
    });
  }

  /** Takes one datagram, or one frame of a stream. Never throws. Hot path. */
  receive(client: TurnClient, frame: Buffer, nowMs: number): Reception {
    try {
      const reception =
        (frame[0] ?? 0xff) >> 6 === 1 ? this.#channelData(client, frame) : this.#stun(client, frame, nowMs);
      if (reception === 'malformed') this.#deps.tallies.malformed++;
      return reception;
    } catch (error) {
      // A mistake of this server: it must not end because of one client.
      const suppressed = this.#faults.take();
      if (suppressed >= 0) this.#deps.log.error({ err: error, suppressed }, 'TURN message failed');
      return 'malformed';
    }
  }

  /** That client is gone. */
  forget({ allocation }: TurnClient): void {
    if (allocation !== undefined) this.#deps.allocations.end(allocation);
  }

  #channelData({ allocation }: TurnClient, frame: Buffer): Reception {
    const bytes = frame.length < CHANNEL_HEADER_BYTES ? Number.POSITIVE_INFINITY : frame.readUInt16BE(2);
    if (CHANNEL_HEADER_BYTES + bytes > frame.length) return 'malformed';
    // By UDP it may be padded as well (RFC 8656 §12.5).
    const datagram = frame.subarray(CHANNEL_HEADER_BYTES, CHANNEL_HEADER_BYTES + bytes);
    if (allocation === undefined) this.#deps.tallies.dropped++;
    else allocation.receiveOnChannel(frame.readUInt16BE(0), datagram);
    return 'taken';
  }

  #stun(client: TurnClient, frame: Buffer, nowMs: number): Reception {
    const message = readTurnMessage(frame);
    if (message === undefined) return 'malformed';
    if (message.class === 'indication') return this.#indication(client, message);
    if (message.class !== 'request') return 'malformed';
    if (message.method === METHOD.binding) return this.#binding(client, message, nowMs);
    if (!METHODS.has(message.method)) return 'malformed';
    const sender = this.#deps.authenticator.check(message, client, nowMs);
    if (typeof sender === 'number') return this.#challenge(client, message, { code: sender, nowMs });
    const outcome = answerRequest(this.#deps, { message, client, sender, nowMs });
    client.answer(this.#signed(message, sender, outcome));
    if (outcome.ends === true) this.forget(client);
    return 'taken';
  }

  #indication({ allocation }: TurnClient, message: TurnMessage): Reception {
    // Binding indications keep a way open (RFC 8489 §6.3.2).
    if (message.method !== METHOD.send) return message.method === METHOD.binding ? 'taken' : 'malformed';
    const [peer] = message.peers;
    if (peer === undefined || message.data === undefined || message.unknownAttributes.length > 0) return 'malformed';
    if (allocation === undefined) this.#deps.tallies.dropped++;
    else allocation.receiveFor(peer, message.data);
    return 'taken';
  }

  /** Tells a client its own address (RFC 8489 §3), so that this is a STUN server as well. */
  #binding(client: TurnClient, message: TurnMessage, nowMs: number): Reception {
    if (!this.#mayAnswer(client, nowMs)) return 'unproven';
    if (message.unknownAttributes.length > 0) return this.#refuse(client, message, 420);
    const answer = new TurnWriter(METHOD.binding, 'success', message.transactionId);
    client.answer(answer.address(ATTRIBUTE.xorMappedAddress, client).finish({ fingerprint: message.hasFingerprint }));
    return 'unproven';
  }

  /** Refuses a request that has proved nothing; 401 and 438 tell how to. */
  #challenge(
    client: TurnClient,
    message: TurnMessage,
    { code, nowMs }: { readonly code: TurnErrorCode; readonly nowMs: number },
  ): Reception {
    if (message.integrity !== undefined && code === 401) this.#deps.counters.count('turn_unauthorized');
    if (!this.#mayAnswer(client, nowMs)) return 'unproven';
    if (code !== 401 && code !== 438) return this.#refuse(client, message, code);
    const { authenticator } = this.#deps;
    const answer = new TurnWriter(message.method, 'error', message.transactionId)
      .error(code)
      .text(ATTRIBUTE.realm, authenticator.realm)
      .text(ATTRIBUTE.nonce, authenticator.nonceFor(client, nowMs))
      .attribute(ATTRIBUTE.passwordAlgorithms, OFFERED_ALGORITHMS);
    client.answer(answer.finish({ fingerprint: message.hasFingerprint }));
    return 'unproven';
  }

  #refuse(client: TurnClient, message: TurnMessage, code: TurnErrorCode): Reception {
    const answer = new TurnWriter(message.method, 'error', message.transactionId).error(code);
    if (code === 420) answer.unknownAttributes(message.unknownAttributes);
    client.answer(answer.finish({ fingerprint: message.hasFingerprint }));
    return 'unproven';
  }

  #mayAnswer({ address, isStream }: TurnClient, nowMs: number): boolean {
    const may = (isStream ? this.#unprovenOnStreams : this.#unproven).take(address, nowMs);
    if (!may) this.#deps.counters.count('turn_unanswered');
    return may;
  }

  #signed(message: TurnMessage, { key }: Authenticated, outcome: Outcome): Buffer {
    const isError = typeof outcome.result === 'number';
    const answer = new TurnWriter(message.method, isError ? 'error' : 'success', message.transactionId);
    if (typeof outcome.result === 'number') {
      this.#deps.counters.count(outcome.result === 403 ? 'turn_denied_peers' : 'turn_refused');
      answer.error(outcome.result);
      if (outcome.result === 420) answer.unknownAttributes(message.unknownAttributes);
    } else outcome.result(answer);
    return answer.finish({ key, fingerprint: message.hasFingerprint });
  }
}

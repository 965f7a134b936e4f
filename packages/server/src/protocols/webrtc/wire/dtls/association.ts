import { Alert, AlertLevel, alertName, HandshakeError } from './alerts.ts';
import { ClientHandshake } from './client-handshake.ts';
import { ContentType, DTLS_1_2, HandshakeType } from './constants.ts';
import { Flight, MIN_MTU, packFlight, type Writers } from './flight.ts';
import type { EpochKeys, FlightItem, Handshake, HandshakeStep } from './handshake.ts';
import { type Fragment, type HandshakeMessage, Reassembly, readFragments } from './reassembly.ts';
import {
  type DtlsRecord,
  MAX_PLAINTEXT_BYTES,
  openRecord,
  RecordWriter,
  readRecords,
  type WriteKeys,
} from './records.ts';
import { ReplayWindow } from './replay-window.ts';
import { ServerHandshake } from './server-handshake.ts';
import type { DtlsCloseReason, DtlsOptions, DtlsSrtpKeys } from './types.ts';

const DEFAULT_MTU = 1200;
const MAX_MTU = 16_384;
/** An authenticated peer that keeps asking to renegotiate gets no more answers than this. */
const MAX_REFUSALS = 4;

type State = 'new' | 'handshake' | 'connected' | 'closed';

/**
 * One DTLS 1.2 association for DTLS-SRTP (RFC 6347, RFC 5764), without sockets and timers: give it datagrams and the
 * time, and it calls back. No method throws, whatever comes in and whatever the callbacks do. It does one cipher suite,
 * one curve, extended master secret and mutual certificates, or nothing.
 */
export class DtlsAssociation {
  readonly #options: DtlsOptions;
  readonly #mtu: number;
  readonly #reassembly = new Reassembly();
  readonly #window = new ReplayWindow();
  readonly #writers: Writers = { plain: new RecordWriter(0), secured: undefined };
  /** Calls that wait until the state is settled: they may call us again. */
  #outbox: (() => void)[] = [];
  #flushing = false;
  #closedByUs = false;
  #state: State = 'new';
  #handshake: Handshake | undefined;
  #flight: Flight | undefined;
  #readKeys: WriteKeys | undefined;
  /** Epoch that the peer writes in; 1 after its ChangeCipherSpec. */
  #readEpoch = 0;
  /** Epoch that we write alerts in; 1 after our ChangeCipherSpec. */
  #writeEpoch = 0;
  #refusals = 0;
  #nowMs = 0;
  #discarded = 0;

  constructor(options: DtlsOptions) {
    this.#options = options;
    this.#mtu = Math.min(Math.max(Math.trunc(options.mtu ?? DEFAULT_MTU), MIN_MTU), MAX_MTU);
  }

  /** The handshake is over and nobody has closed. */
  get connected(): boolean {
    return this.#state === 'connected';
  }

  /** How far it is, for people. */
  get state(): 'new' | 'handshake' | 'connected' | 'closed' {
    return this.#state;
  }

  /** Records that were dropped without a word: forged, repeated, of another epoch, or not ours to read. */
  get discardedRecords(): number {
    return this.#discarded;
  }

  /** Begins: a client sends its ClientHello, a server waits for one. A second call does nothing. */
  start(nowMs: number): void {
    this.#run(() => {
      this.#nowMs = nowMs;
      this.#begin();
    });
  }

  /** Takes a datagram, which may be written again after the call. A server need not have been started. */
  receive(datagram: Uint8Array, nowMs: number): void {
    this.#run(() => {
      this.#nowMs = nowMs;
      if (this.#options.role === 'server') this.#begin();
      const bytes = Buffer.from(datagram.buffer, datagram.byteOffset, datagram.byteLength);
      for (const record of readRecords(bytes)) {
        if (this.#state === 'new' || this.#state === 'closed') return;
        this.#onRecord(record);
      }
    });
  }

  /** Sends again what got no answer in time, or gives up. Call it about every 50 ms until connected. */
  tick(nowMs: number): void {
    // Nearly always: what is below is for handshakes.
    if (this.#state !== 'handshake') return;
    this.#run(() => {
      this.#nowMs = nowMs;
      if (this.#state !== 'handshake' || this.#flight === undefined) return;
      const verdict = this.#flight.tick(nowMs);
      if (verdict === 'send') this.#transmit(this.#flight);
      if (verdict === 'give up') this.#end('timeout', 'the peer did not answer');
    });
  }

  /** Ends the association, with close_notify when it was connected. `onClosed` is not called. May be called twice. */
  close(): void {
    this.#run(() => {
      this.#closedByUs = true;
      if (this.#state === 'closed') return;
      const wasConnected = this.#state === 'connected';
      // What has not been sent or told yet belongs to an association that is no more.
      this.#outbox = [];
      // RFC 5246 §7.2.1.
      if (wasConnected) this.#sendAlert(AlertLevel.warning, Alert.closeNotify);
      this.#release();
    });
  }

  #begin(): void {
    if (this.#state !== 'new') return;
    this.#state = 'handshake';
    if (this.#options.role === 'server') {
      this.#handshake = new ServerHandshake(this.#options);
      return;
    }
    const handshake = new ClientHandshake(this.#options);
    this.#handshake = handshake;
    this.#sendFlight(handshake.start(), undefined, true);
  }

  #onRecord(record: DtlsRecord): void {
    if (record.epoch !== this.#readEpoch) {
      // Epochs behind are done with, and those ahead have no keys yet (RFC 6347 §4.1: such records may be dropped).
      this.#discarded += 1;
      return;
    }
    const plaintext = record.epoch === 0 ? record.fragment : this.#open(record);
    // RFC 5246 §6.2.1: at most 2^14 bytes, and none of the types that matter here may be empty.
    if (plaintext === undefined || plaintext.length === 0 || plaintext.length > MAX_PLAINTEXT_BYTES) {
      this.#discarded += 1;
      return;
    }
    switch (record.type) {
      case ContentType.handshake:
        this.#onHandshakeRecord(plaintext);
        return;
      case ContentType.changeCipherSpec:
        this.#onChangeCipherSpec(plaintext);
        return;
      case ContentType.alert:
        this.#onAlert(plaintext);
        return;
      default:
        // Application data would be SCTP, which nobody negotiates here.
        this.#discarded += 1;
    }
  }

  #open(record: DtlsRecord): Buffer | undefined {
    // RFC 6347 §4.1.2.6: asked before deciphering, marked only after the tag has proved right.
    if (this.#readKeys === undefined || record.version !== DTLS_1_2) return undefined;
    if (!this.#window.isFresh(record.sequence)) return undefined;
    // RFC 6347 §4.1.2.7: a bad record is dropped, not answered.
    const plaintext = openRecord(this.#readKeys, record);
    if (plaintext !== undefined) this.#window.mark(record.sequence);
    return plaintext;
  }

  #onHandshakeRecord(plaintext: Buffer): void {
    for (const fragment of readFragments(plaintext)) {
      if (this.#state === 'closed') return;
      if (fragment.sequence < this.#reassembly.nextSequence) this.#onRepeated(fragment);
      else if (this.#state === 'connected') this.#refuse(fragment);
      else this.#onFragment(fragment);
    }
  }

  #onFragment(fragment: Fragment): void {
    this.#reassembly.push(fragment);
    const handshake = this.#handshake;
    for (;;) {
      const message = this.#reassembly.take();
      if (message === undefined || handshake === undefined) return;
      this.#apply(handshake.receive(message), message);
    }
  }

  #apply(step: HandshakeStep, message: HandshakeMessage): void {
    if (step.keys !== undefined) this.#install(step.keys);
    if (step.flight !== undefined) this.#sendFlight(step.flight, message.sequence, step.connected === undefined);
    if (step.connected !== undefined) this.#connect(step.connected);
  }

  #install(keys: EpochKeys): void {
    this.#readKeys = keys.remote;
    this.#writers.secured = new RecordWriter(1, keys.local);
  }

  #connect(keys: DtlsSrtpKeys): void {
    this.#state = 'connected';
    // The transcript and the secrets have served; a server keeps its last flight, a client needs none.
    this.#handshake = undefined;
    this.#reassembly.clear();
    if (this.#options.role === 'client') this.#flight = undefined;
    this.#outbox.push(() => this.#tellConnected(keys));
  }

  #tellConnected(keys: DtlsSrtpKeys): void {
    try {
      this.#options.onConnected(keys);
    } catch (error) {
      // Who cannot use the keys cannot use the association: the peer should know.
      this.#fail(error);
    }
  }

  /** RFC 6347 §4.2.4: who sees the peer's last flight again sends its own answer again. */
  #onRepeated(fragment: Fragment): void {
    const flight = this.#flight;
    const last = fragment.offset + fragment.bytes.length === fragment.length;
    if (flight !== undefined && last && fragment.sequence === flight.answers && flight.repeat(this.#nowMs)) {
      this.#transmit(flight);
      return;
    }
    const hello = fragment.type === HandshakeType.clientHello || fragment.type === HandshakeType.helloRequest;
    if (this.#state === 'connected' && hello) this.#refuse(fragment);
  }

  /** RFC 8827 §6.5: renegotiation MUST be rejected with no_renegotiation. Only an authenticated peer gets here. */
  #refuse(fragment: Fragment): void {
    this.#discarded += 1;
    if (fragment.offset > 0 || this.#refusals >= MAX_REFUSALS) return;
    this.#refusals += 1;
    this.#sendAlert(AlertLevel.warning, Alert.noRenegotiation);
  }

  #onChangeCipherSpec(plaintext: Buffer): void {
    // RFC 5246 §7.1. Early or again it means nothing: what it announces is taken only when it is due.
    if (plaintext.length !== 1 || plaintext[0] !== 1 || this.#handshake?.changeCipherSpec() !== true) {
      this.#discarded += 1;
      return;
    }
    this.#readEpoch = 1;
    // Parts of messages that came without protection must not become part of Finished.
    this.#reassembly.clear();
  }

  #onAlert(plaintext: Buffer): void {
    const [level, description] = plaintext;
    // A server that has heard no ClientHello has no peer yet whose alerts could mean it.
    const early = this.#options.role === 'server' && this.#flight === undefined;
    if (plaintext.length !== 2 || early || description === undefined) {
      this.#discarded += 1;
      return;
    }
    if (description === Alert.closeNotify) {
      // RFC 5246 §7.2.1: answered with our own, and pending writes are dropped.
      if (this.#state === 'connected') this.#sendAlert(AlertLevel.warning, Alert.closeNotify);
      this.#end('close_notify', 'the peer closed');
      return;
    }
    // RFC 5246 §7.2.2: an error alert that is fatal ends the connection at once.
    if (level === AlertLevel.fatal) this.#end('error', `the peer reports ${alertName(description)}`);
  }

  #sendFlight(items: readonly FlightItem[], answers: number | undefined, awaitsAnswer: boolean): void {
    const sentAtMs = this.#nowMs;
    this.#flight = new Flight(items, { ...(answers === undefined ? {} : { answers }), awaitsAnswer, sentAtMs });
    if (items.some((item) => item.kind === 'change-cipher-spec')) this.#writeEpoch = 1;
    this.#transmit(this.#flight);
  }

  #transmit(flight: Flight): void {
    const mtu = flight.maxDatagramBytes(this.#mtu);
    for (const datagram of packFlight(flight.items, this.#writers, mtu)) this.#post(datagram);
  }

  #sendAlert(level: number, description: number): void {
    const writer = this.#writeEpoch === 1 ? this.#writers.secured : this.#writers.plain;
    if (writer !== undefined) this.#post(writer.write(ContentType.alert, Buffer.of(level, description)));
  }

  #post(datagram: Buffer): void {
    this.#outbox.push(() => this.#options.send(datagram));
  }

  #fail(error: unknown): void {
    if (this.#state === 'closed') return;
    const broken = error instanceof HandshakeError;
    this.#sendAlert(AlertLevel.fatal, broken ? error.alert : Alert.internalError);
    const message = error instanceof Error ? error.message : String(error);
    const detail = broken ? message : `internal error: ${message}`;
    this.#end(broken && error.fingerprintMismatch ? 'fingerprint' : 'error', detail);
  }

  #end(reason: DtlsCloseReason, detail: string): void {
    if (this.#state === 'closed') return;
    this.#release();
    this.#outbox.push(() => {
      if (!this.#closedByUs) this.#options.onClosed(reason, detail);
    });
  }

  #release(): void {
    this.#state = 'closed';
    this.#handshake = undefined;
    this.#flight = undefined;
    this.#readKeys = undefined;
    this.#writers.secured = undefined;
    this.#reassembly.clear();
  }

  /** Does a piece of work to its end before any callback runs, because callbacks may call `receive` or `close`. */
  #run(work: () => void): void {
    try {
      work();
    } catch (error) {
      this.#guard(() => this.#fail(error));
    }
    if (this.#flushing) return;
    this.#flushing = true;
    for (let call = this.#outbox.shift(); call !== undefined; call = this.#outbox.shift()) {
      const next = call;
      this.#guard(next);
    }
    this.#flushing = false;
  }

  /** A callback that throws is the caller's fault; a datagram that could not be sent is a datagram lost. */
  #guard(call: () => void): void {
    try {
      call();
    } catch {
      this.#discarded += 1;
    }
  }
}

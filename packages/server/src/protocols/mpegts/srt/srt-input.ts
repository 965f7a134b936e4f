import {
  type InputPort,
  type InputPortEvents,
  type InputPortOpen,
  type OpenSrtInput,
  openInRange,
} from '../input-port.ts';
import type { Admission } from './flow.ts';
import { type SrtCaller, SrtGate, type SrtGateDeps } from './gate.ts';
import { checkedPassphrase } from './passphrase.ts';
import { REFUSAL } from './wire/handshake.ts';

const DEFAULT_LATENCY_MS = 120;
/** The publisher, and those that are told that there is one. */
const MAX_CALLERS = 32;

/** Opens ports that take one publisher by SRT each, whatever its stream id. */
export function srtInputs(deps: SrtGateDeps): OpenSrtInput {
  return async (open, events) => {
    const passphrase = checkedPassphrase(open.passphrase);
    const { opened } = await openInRange(open.ports, async (candidate) => {
      const input = new SrtInput({ ...open, passphrase }, candidate, { deps, events });
      await input.start();
      return input;
    });
    return opened;
  };
}

interface Parts {
  readonly deps: SrtGateDeps;
  readonly events: InputPortEvents;
}

/** One such port. It ends with its publisher. */
class SrtInput implements InputPort {
  readonly #gate: SrtGate;
  readonly #open: InputPortOpen;
  readonly #events: InputPortEvents;
  #taken = false;
  #over = false;

  constructor(open: InputPortOpen, port: number, { deps, events }: Parts) {
    this.#open = open;
    this.#events = events;
    const { address, passphrase, latencyMs = DEFAULT_LATENCY_MS } = open;
    const options = { address, port, passphrase, latencyMs, maxCallers: MAX_CALLERS };
    this.#gate = new SrtGate(deps, options, async (caller) => this.#decide(caller));
  }

  get port(): number {
    return this.#gate.port;
  }

  start(): Promise<void> {
    return this.#gate.start();
  }

  close(): Promise<void> {
    this.#over = true;
    return this.#gate.close();
  }

  #decide({ remoteAddress }: SrtCaller): Admission {
    if (!this.#open.allowed.allows(remoteAddress)) {
      this.#events.onDenied(1);
      return { refusal: REFUSAL.forbidden, message: 'it is not in the list of those who may send' };
    }
    if (this.#taken || this.#over) return { refusal: REFUSAL.conflict, message: 'somebody sends here already' };
    this.#taken = true;
    let connected = false;
    return {
      direction: 'receive',
      guest: {
        enter: () => {},
        onConnected: () => {
          connected = true;
          if (!this.#over) this.#events.onSender(remoteAddress);
        },
        onData: (bytes) => {
          if (!this.#over) this.#events.onData(bytes);
        },
        onWritable: () => {},
        onClosed: (reason) => {
          // Who failed at the handshake was no publisher.
          if (connected) this.#end(reason);
          else this.#taken = false;
        },
      },
    };
  }

  #end(reason: string): void {
    if (this.#over) return;
    void this.close().then(() => this.#events.onClosed(reason));
  }
}

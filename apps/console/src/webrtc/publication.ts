import { type InputChoice, type MediaInput, openInput } from './media-input.ts';
import type { PeerFact } from './peer-facts.ts';
import { Publisher, type PublisherPhase } from './publisher.ts';

const FACTS_MS = 1000;

export type PublishPhase = 'idle' | 'asking' | PublisherPhase;

/** What the page shows about publishing. */
export interface PublicationState {
  readonly phase: PublishPhase;
  /** What is wrong and what to do; empty when all is well. */
  readonly message: string;
  /** What is captured; undefined while nothing is. */
  readonly preview: MediaStream | undefined;
  readonly facts: readonly PeerFact[];
}

export const NOT_PUBLISHING: PublicationState = { phase: 'idle', message: '', preview: undefined, facts: [] };

export interface PublicationOptions {
  readonly url: string;
  readonly input: InputChoice;
  /** Name of the only video codec that is offered, such as `H264`; empty for all. */
  readonly codec: string;
  /** Most kilobits a second of the picture; 0 for what the browser chooses. */
  readonly maxKbits: number;
  /** The picture is sent in three sizes at once (simulcast). */
  readonly severalSizes: boolean;
  onState(state: PublicationState): void;
}

/** Captures and publishes, from the question for the camera until it is closed or fails; then nothing is captured. */
export class Publication {
  readonly #options: PublicationOptions;
  #state: PublicationState = { ...NOT_PUBLISHING, phase: 'asking' };
  #input: MediaInput | undefined;
  #publisher: Publisher | undefined;
  #timer = 0;
  #closed = false;

  constructor(options: PublicationOptions) {
    this.#options = options;
    this.#set({});
    void this.#begin();
  }

  /** Ends all of it; nothing is told any more. Idempotent. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    window.clearInterval(this.#timer);
    this.#publisher?.close();
    this.#input?.close();
  }

  async #begin(): Promise<void> {
    try {
      const input = await openInput(this.#options.input);
      // It was closed while the browser asked for permission.
      if (this.#closed) return input.close();
      this.#input = input;
      this.#publish(input.stream);
    } catch (error) {
      this.#end('failed', error instanceof Error ? error.message : String(error));
    }
  }

  #publish(stream: MediaStream): void {
    const { url, codec, maxKbits, severalSizes, input } = this.#options;
    for (const track of stream.getTracks()) track.addEventListener('ended', () => this.#onTrackEnded(input.kind));
    this.#set({ preview: stream });
    const onPhase = (phase: PublisherPhase, message: string): void => {
      if (phase === 'failed') this.#end(phase, message);
      else this.#set({ phase, message });
    };
    this.#publisher = new Publisher({ url, stream, codec, maxKbits, severalSizes, onPhase });
    this.#publisher.start();
    // What fails at once has ended everything already.
    if (!this.#closed) this.#timer = window.setInterval(() => this.#readFacts(), FACTS_MS);
  }

  /** Who ends sharing the screen by the browser's own button is done; a camera goes away only by accident. */
  #onTrackEnded(kind: InputChoice['kind']): void {
    if (kind === 'screen') this.#end('idle', '');
    else this.#end('failed', 'The camera or the microphone was taken away. Choose another one and go live again.');
  }

  #readFacts(): void {
    this.#publisher?.facts().then(
      (facts) => this.#set({ facts }),
      // A connection that ends just now has nothing to tell.
      () => undefined,
    );
  }

  #end(phase: 'idle' | 'failed', message: string): void {
    this.#set({ ...NOT_PUBLISHING, phase, message });
    this.close();
  }

  #set(change: Partial<PublicationState>): void {
    if (this.#closed) return;
    this.#state = { ...this.#state, ...change };
    this.#options.onState(this.#state);
  }
}

import { TypedEvents } from './typed-events.ts';

/** What a publisher tells its viewers beside the media (websdk-signalling.md §7.1). */
export interface StreamSignal {
  readonly type: 'audioMuted' | 'audioUnmuted' | 'videoMuted' | 'videoUnmuted' | 'data';
  /** Any JSON value; absent when the publisher sent none. */
  readonly payload?: unknown;
}

/** Messages from a stream's publisher to its viewers, whatever they play by, and the state that they leave behind. */
export class StreamSignals {
  readonly events = new TypedEvents<{ signal: [StreamSignal] }>();
  #audioMuted = false;
  #videoMuted = false;

  /** What viewers that come later must be told. */
  get audioMuted(): boolean {
    return this.#audioMuted;
  }

  get videoMuted(): boolean {
    return this.#videoMuted;
  }

  send(signal: StreamSignal): void {
    if (signal.type === 'audioMuted') this.#audioMuted = true;
    else if (signal.type === 'audioUnmuted') this.#audioMuted = false;
    else if (signal.type === 'videoMuted') this.#videoMuted = true;
    else if (signal.type === 'videoUnmuted') this.#videoMuted = false;
    this.events.emit('signal', signal);
  }

  /** A new publisher starts unmuted; viewers that know otherwise are told. */
  reset(): void {
    if (this.#audioMuted) this.send({ type: 'audioUnmuted' });
    if (this.#videoMuted) this.send({ type: 'videoUnmuted' });
  }
}

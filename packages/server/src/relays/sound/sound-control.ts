import { type RelaySound, TypedEvents } from '../../core/index.ts';

/** What is to become of the sound of a push, at this moment. */
export class SoundControl {
  /** Something was set, or a sound has come to its end. */
  readonly events = new TypedEvents<{ changed: [] }>();
  #muted: boolean;
  #sound: RelaySound | undefined;

  constructor(muted = false, sound?: RelaySound) {
    this.#muted = muted;
    this.#sound = sound;
  }

  /** Silence, whatever else is set. */
  get muted(): boolean {
    return this.#muted;
  }

  /** Takes the place of the stream's own sound. Another object each time that it is set. */
  get sound(): RelaySound | undefined {
    return this.#sound;
  }

  set(wish: { readonly muted?: boolean; readonly sound?: RelaySound | undefined }): void {
    if (wish.muted !== undefined) this.#muted = wish.muted;
    // The same file anew begins anew.
    if ('sound' in wish) this.#sound = wish.sound && { ...wish.sound };
    this.events.emit('changed');
  }

  /** That sound is at its end. */
  over(sound: RelaySound): void {
    if (this.#sound === sound) this.set({ sound: undefined });
  }
}

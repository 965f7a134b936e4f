import {
  nameForOthers,
  type Reader,
  type RelayEnd,
  type RelayEvents,
  type RelayLink,
  type RelaySound,
  type SessionFacts,
  type Stream,
} from '../core/index.ts';
import { Relay, type RelayEnv, type RelaySpec } from './relay.ts';
import { SoundControl } from './sound/sound-control.ts';
import { SwitchedStream } from './sound/switched-stream.ts';

/** A stream to push, and what lets go of it. */
export interface PushSource {
  readonly stream: Stream;
  /** Aborted when it is not needed any more. */
  readonly hold: AbortController;
}

/** A stream of here that goes to another server, for as long as it lives. */
export class PushRelay extends Relay {
  readonly #source: PushSource;
  readonly #control: SoundControl;
  readonly #switched: SwitchedStream;
  readonly #presence: Reader;

  constructor(env: RelayEnv, spec: RelaySpec, source: PushSource) {
    super(env, spec);
    this.#source = source;
    const { muted = false, sound } = spec.options;
    this.#control = new SoundControl(muted, sound);
    this.#switched = SwitchedStream.of(source.stream, {
      deps: env.deps,
      control: this.#control,
      onTrouble: (text) => this.supervision.notes.add(text),
    });
    source.stream.addViewers(1);
    // Reads nothing: it is there while no connection is, so that the stream waits for its publisher all the same.
    this.#presence = source.stream.attach({
      startAt: 'live',
      withoutPicture: true,
      onReadable: () => {},
      onEnd: (reason) => this.close(reason),
    });
  }

  get muted(): boolean {
    return this.#control.muted;
  }

  get sound(): RelaySound | undefined {
    return this.#control.sound;
  }

  /** Silence in place of the sound, or no longer. */
  setMuted(muted: boolean): void {
    this.#control.set({ muted });
  }

  /** Another sound in place of the stream's own, or no longer. The file has been found good. */
  setSound(sound: RelaySound | undefined): void {
    this.#control.set({ sound });
  }

  explain(): SessionFacts {
    const facts = this.supervision.linkFacts();
    return facts === undefined ? { media: [] } : { tcp: { queuedBytes: facts.queuedBytes }, media: [] };
  }

  protected get has() {
    const { video, audio } = this.#switched.state;
    const { without } = this.spec.options;
    const withSound = audio !== undefined || this.sound !== undefined;
    return { video: video !== undefined && without !== 'video', audio: withSound && without !== 'audio' };
  }

  protected connect(events: RelayEvents): RelayLink {
    const { protocol, options } = this.spec;
    const streamName = nameForOthers(this.spec.streamName);
    if (protocol.push === undefined) throw new Error(`${protocol.protocol} can not be pushed`);
    return protocol.push({ ...this.attempt(events), source: this.#switched, streamName, options });
  }

  protected onLink(): void {}

  protected onConnected(): void {
    this.#source.stream.viewerReady();
  }

  protected onMedia(): void {}

  protected givenUp(end: RelayEnd): string {
    return end.message;
  }

  protected onOver(): void {
    this.#presence.close();
    this.#switched.close();
    this.#source.stream.addViewers(-1);
    this.#source.hold.abort();
  }
}

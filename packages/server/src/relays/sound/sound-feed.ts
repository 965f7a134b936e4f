import type { MediaPacket } from '@sluice/media';
import {
  type Acceptance,
  type AdaptedStream,
  type AudioTarget,
  END_OF_FILE,
  type Reader,
  targetKey,
} from '../../core/index.ts';
import type { RelayDeps } from '../relay.ts';
import { openSoundFile, type PlayingFile } from './sound-file.ts';

/** The form in which a sound is to come. */
export interface SoundForm {
  readonly codec: AudioTarget;
  readonly sampleRate: number;
  readonly channels: 1 | 2;
}

export interface SoundFeedEvents {
  /** The next packet, on a timeline of the file's own, about when it is due. */
  onPacket(packet: MediaPacket): void;
  /** No more will come: with a reason when something was wrong. */
  onOver(trouble: string | undefined): void;
}

/** Plays a file in the form of a stream's sound, in real time. */
export class SoundFeed {
  readonly form: SoundForm;
  readonly #deps: Pick<RelayDeps, 'resolvers' | 'adaptations' | 'log'>;
  readonly #events: SoundFeedEvents;
  #file: PlayingFile | undefined;
  #lease: AdaptedStream | undefined;
  #reader: Reader | undefined;
  #over = false;

  constructor(
    deps: Pick<RelayDeps, 'resolvers' | 'adaptations' | 'log'>,
    what: { readonly file: string; readonly loop: boolean; readonly form: SoundForm },
    events: SoundFeedEvents,
  ) {
    this.#deps = deps;
    this.#events = events;
    this.form = what.form;
    openSoundFile(deps.resolvers, what).then(
      (file) => this.#play(file),
      (error: unknown) => this.#end(error instanceof Error ? error.message : String(error)),
    );
  }

  /** Ends it; no event follows. Idempotent. */
  close(): void {
    if (this.#over) return;
    this.#over = true;
    this.#release();
  }

  #play(file: PlayingFile): void {
    this.#file = file;
    if (this.#over) {
      this.#release();
      return;
    }
    this.#lease = this.#deps.adaptations.lease(file.stream, acceptanceOf(this.form));
    const { stream } = this.#lease;
    this.#reader = stream.attach({
      startAt: 'oldest',
      onReadable: () => this.#drain(),
      onEnd: (reason) => this.#end(reason === END_OF_FILE ? undefined : reason),
    });
    file.stream.addViewers(1);
    file.stream.viewerReady();
    this.#drain();
  }

  #drain(): void {
    for (let entry = this.#reader?.read(); entry !== undefined; entry = this.#reader?.read()) {
      const { packet } = entry;
      if (packet.track.kind !== 'audio') continue;
      // Where nothing is converted here.
      if (packet.track.codec !== this.form.codec) {
        this.#end(`its ${packet.track.codec} can not be converted here`);
        return;
      }
      this.#events.onPacket(packet);
    }
    const reason = this.#lease?.leftOut.audio;
    if (reason !== undefined) this.#end(reason);
  }

  #end(trouble: string | undefined): void {
    if (this.#over) return;
    this.close();
    this.#events.onOver(trouble);
  }

  #release(): void {
    this.#reader?.close();
    this.#lease?.[Symbol.dispose]();
    const { stream } = this.#file ?? {};
    if (this.#reader !== undefined) stream?.addViewers(-1);
    this.#file?.[Symbol.dispose]();
  }
}

function acceptanceOf({ codec, sampleRate, channels }: SoundForm): Acceptance {
  const audioOutput = { sampleRate, channels };
  return {
    key: `sound ${targetKey({ codec, ...audioOutput })}`,
    video: new Set(),
    // Even of the same codec: rate and channels are to be those of the stream.
    audio: new Set(),
    reorderedVideo: true,
    videoTarget: undefined,
    audioTarget: codec,
    audioOutput,
  };
}

import type { MediaPacket } from '@sluice/media';
import {
  MediaServerError,
  type PictureForm,
  type PictureMaker,
  type Publisher,
  type Stream,
} from '../../core/index.ts';
import { newPublisher } from '../../core/testing/adaptation-fixture.ts';
import { testHub } from '../../core/testing/hub.ts';
import { DEFAULT_SNAPSHOT_OPTIONS, type SnapshotOptions, SnapshotServer } from '../index.ts';

/** One picture that was asked of a {@link ScriptedMaker}. */
export interface Asked {
  readonly packets: readonly MediaPacket[];
  readonly form: PictureForm;
  readonly signal: AbortSignal;
  settle(result: Uint8Array | Error): void;
}

/** Makes no pictures: keeps what it is asked for, and answers when and with what a test says. */
export class ScriptedMaker implements PictureMaker {
  readonly asked: Asked[] = [];
  /** Answers at once with this, where it is set. */
  answer: ((packets: readonly MediaPacket[]) => Uint8Array | Error) | undefined;

  picture(packets: readonly MediaPacket[], form: PictureForm, signal: AbortSignal): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      const settle = (result: Uint8Array | Error): void => {
        if (result instanceof Error) reject(result);
        else resolve(result);
      };
      this.asked.push({ packets, form, signal, settle });
      const aborted = (): void => settle(new MediaServerError('SNAPSHOT_FAILED', 'given up'));
      signal.addEventListener('abort', aborted);
      if (this.answer !== undefined) settle(this.answer(packets));
    });
  }
}

/** A hub with a SnapshotServer whose pictures are scripted. */
export function newScene(options: Partial<SnapshotOptions> = {}) {
  const hub = testHub();
  const pictures = new ScriptedMaker();
  const snapshots = new SnapshotServer({ ...hub, pictures }, { ...DEFAULT_SNAPSHOT_OPTIONS, ...options });
  const publish = (name: string, publisher: Publisher = { sessionId: 'p', close: () => {} }): Stream =>
    hub.streams.publish(name, publisher);
  return { ...hub, pictures, snapshots, publish };
}

/** A publisher that can be asked for key frames, and what it does then. */
export function askable(onAsked: () => void): Publisher & { keyFramesAsked: number } {
  const publisher = newPublisher();
  return Object.assign(publisher, {
    requestKeyFrame: () => {
      publisher.keyFramesAsked++;
      onAsked();
    },
  });
}

/** Waits for a condition, and says which one when it does not come. */
export async function until(
  condition: () => boolean | Promise<boolean>,
  what: string,
  timeoutMs = 20_000,
): Promise<void> {
  const endMs = performance.now() + timeoutMs;
  while (!(await condition())) {
    if (performance.now() > endMs) throw new Error(`timed out waiting: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

import type { MediaPacket, Track } from '@sluice/media';
import { MediaServerError, type PictureForm } from '../core/index.ts';
import { payloadOf, sourceMessage } from './packet-message.ts';
import {
  CLOSE,
  FAILED,
  FINISH,
  FLAG_KEY,
  type Frame,
  OPEN,
  PACKET,
  type PictureMessage,
  SOURCE,
  writeMessage,
} from './wire.ts';
import type { WorkerTask } from './worker-pool.ts';
import type { WorkerProcess } from './worker-process.ts';

/** A picture is tried twice: the first worker may have died for another reason. */
const MAX_STRIKES = 2;
const DEFAULT_QUALITY = 85;

export interface PictureJobParts {
  readonly number: number;
  readonly packets: readonly MediaPacket[];
  readonly form: PictureForm;
  readonly maxPicturePixels: number;
  /** Called once, with the file, or with why there is none. */
  onSettled(job: PictureJob, result: Uint8Array | MediaServerError): void;
}

/** The server's half of the making of one picture. */
export class PictureJob implements WorkerTask {
  readonly number: number;
  readonly weight = 1;
  readonly #parts: PictureJobParts;
  #worker: WorkerProcess | undefined;
  #toldSource: Track | undefined;
  /** Index of the packet to be sent next. */
  #next = 0;
  #strikes = 0;
  #settled = false;

  constructor(parts: PictureJobParts) {
    this.number = parts.number;
    this.#parts = parts;
  }

  get isSuspect(): boolean {
    return this.#strikes > 0;
  }

  /** True after it has killed so many workers that it was given up. */
  get isKiller(): boolean {
    return this.#strikes >= MAX_STRIKES;
  }

  attach(worker: WorkerProcess): void {
    this.#worker = worker;
    this.flush();
  }

  detach(): void {
    this.#worker = undefined;
    this.#toldSource = undefined;
    this.#next = 0;
  }

  flush(): void {
    const { packets } = this.#parts;
    while (this.#worker?.canWrite && this.#next < packets.length) {
      const packet = packets[this.#next++];
      if (packet === undefined) return;
      this.#tellSource(this.#worker, packet.track);
      const flags = packet.key ? FLAG_KEY : 0;
      this.#worker.send({ stream: this.number, type: PACKET, flags, timeUs: packet.ptsUs }, [payloadOf(packet)]);
      if (this.#next === packets.length) this.#worker.send({ stream: this.number, type: FINISH }, []);
    }
  }

  onFrame({ type, payload }: Frame): void {
    if (type === PACKET) this.#settle(new Uint8Array(payload));
    else if (type === FAILED) this.fail(payload.toString());
  }

  strike(): boolean {
    this.#strikes++;
    return this.isKiller;
  }

  /** Gives it up, also in the worker. Idempotent. */
  fail(reason: string): void {
    if (this.#toldSource && !this.#settled) this.#worker?.send({ stream: this.number, type: CLOSE }, []);
    this.#settle(new MediaServerError('SNAPSHOT_FAILED', reason));
  }

  #settle(result: Uint8Array | MediaServerError): void {
    if (this.#settled) return;
    this.#settled = true;
    this.#parts.onSettled(this, result);
  }

  #tellSource(worker: WorkerProcess, track: Track): void {
    if (track === this.#toldSource) return;
    const isFirst = this.#toldSource === undefined;
    this.#toldSource = track;
    const message = isFirst ? this.#openMessage(track) : sourceMessage(track);
    worker.send({ stream: this.number, type: isFirst ? OPEN : SOURCE }, [writeMessage(message)]);
  }

  #openMessage(track: Track): PictureMessage {
    const { form, maxPicturePixels } = this.#parts;
    const { format, width, height, quality = DEFAULT_QUALITY } = form;
    return { source: sourceMessage(track), maxPicturePixels, picture: { format, width, height, quality } };
  }
}

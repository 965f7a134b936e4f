import type { HlsPackager } from '../packager.ts';
import type { MediaFile } from '../request.ts';
import { type Asking, type DeskParts, waitUntilMs } from './desk.ts';
import { GrowingAnswer } from './growing-segment.ts';

/** Answers requests for segments, parts and initialization sections. */
export class MediaDesk {
  readonly #parts: DeskParts;

  constructor(parts: DeskParts) {
    this.#parts = parts;
  }

  /** Answers at once, from memory, or when it has come; rejects for what no request is to be blamed for. */
  send(asking: Asking<MediaFile>): Promise<void> | undefined {
    const { target, visitor, exchange } = asking;
    const packager = this.#find(target);
    const found = packager?.media({ ...target, msn: target.number });
    if (packager === undefined || found === undefined) {
      this.#notFound(asking);
      return undefined;
    }
    if (found === 'archived') return this.#sendArchived(asking, packager);
    if (found === 'coming') {
      if (target.kind === 'part') this.#awaitPart(asking, packager);
      else this.#follow(asking, packager);
      return undefined;
    }
    const media = { pieces: found, type: this.#type(target, packager) };
    this.#parts.viewers.sent(visitor, this.#parts.answer.media(exchange, media));
    return undefined;
  }

  #find({ streamName, variant, track }: MediaFile): HlsPackager | undefined {
    const { channels } = this.#parts;
    const nowMs = performance.now();
    if (variant === undefined) return channels.find(streamName, nowMs, track === 'main' ? 'muxed' : 'split');
    return channels.findLadder(streamName, nowMs)?.find(variant, nowMs)?.packager;
  }

  async #sendArchived(asking: Asking<MediaFile>, packager: HlsPackager): Promise<void> {
    const { exchange, target, visitor } = asking;
    const bytes = await packager.readArchived({ ...target, msn: target.number });
    if (exchange.gone) return;
    if (bytes === undefined) {
      this.#notFound(asking);
      return;
    }
    const media = { pieces: [bytes], type: this.#type(target, packager) };
    this.#parts.viewers.sent(visitor, this.#parts.answer.media(exchange, media));
  }

  /** A part that is hinted at is sent when it has come (RFC 8216bis §6.2.6). */
  #awaitPart(asking: Asking<MediaFile>, packager: HlsPackager): void {
    const { exchange, target } = asking;
    const { room, refuse } = this.#parts;
    const { number: msn, part } = target;
    if (exchange.isQueued) {
      exchange.drop();
      return;
    }
    const send = (): void => {
      const found = exchange.over ? undefined : packager.media({ ...target, msn });
      if (found === undefined || typeof found === 'string') this.#notFound(asking);
      else {
        const media = { pieces: found, type: this.#type(target, packager) };
        this.#parts.viewers.sent(asking.visitor, this.#parts.answer.media(exchange, media));
      }
    };
    const entered = room.enter(
      { source: packager, key: `${msn}.${part}`, subscribe: (wake) => packager.onceAvailable(msn, part, wake) },
      {
        exchange,
        untilMs: waitUntilMs(packager.targetSeconds),
        ready: send,
        giveUp: () => refuse.tooLate(exchange),
      },
    );
    if (entered === 'there') send();
    else if (entered === 'full') refuse.tooMany(exchange);
  }

  /** A segment that is being made is sent as it grows: so players of DASH come as near to the present as those of HLS. */
  #follow({ exchange, target, visitor }: Asking<MediaFile>, packager: HlsPackager): void {
    const { room, answer, refuse, viewers, options } = this.#parts;
    if (exchange.isQueued) {
      exchange.drop();
      return;
    }
    if (room.size >= options.maxWaiting) {
      refuse.tooMany(exchange);
      return;
    }
    answer.growing(exchange, this.#type(target, packager));
    if (exchange.isHead) {
      exchange.end();
      return;
    }
    const { track, number: msn } = target;
    new GrowingAnswer(
      { room },
      { packager, track, msn, exchange, sent: (bytes) => viewers.sent(visitor, bytes) },
    ).send();
  }

  #notFound({ exchange, target }: Asking<MediaFile>): void {
    const { kind, number, part, streamName } = target;
    const what = `${kind} ${number}${part === undefined ? '' : `.${part}`}`;
    this.#parts.refuse.notFound(exchange, `${what} of stream "${streamName}" is not kept; read the playlist again`);
  }

  #type({ kind, track }: MediaFile, packager: HlsPackager): string {
    if (this.#parts.options.container === 'ts') return 'video/mp2t';
    if (track === 'audio' || (track === 'main' && packager.audioOnly)) return 'audio/mp4';
    return kind === 'init' ? 'video/mp4' : 'video/iso.segment';
  }
}

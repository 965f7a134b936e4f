import { type ElementaryStream, elementaryStreamsOf, programmesOf } from './programme.ts';
import type { CheckedSection } from './sections.ts';

/** So many maps of a later programme are enough to give up on an earlier one that never comes. */
const PATIENCE = 3;

interface Programme {
  readonly number: number;
  readonly mapPid: number;
  /** Undefined until its map has come. */
  streams: readonly ElementaryStream[] | undefined;
  mapsSeen: number;
}

export interface ProgrammeChoiceEvents {
  /** The PIDs at which maps are. */
  onMaps(pids: ReadonlySet<number>): void;
  /** The streams to play: of each kind at most one. Called whenever that changes. */
  onStreams(streams: readonly ElementaryStream[]): void;
  onNote(text: string): void;
}

/** Chooses what is played of a transport stream: the first programme that has any media that can be carried. */
export class ProgrammeChoice {
  readonly #wanted: { readonly video: boolean; readonly audio: boolean };
  readonly #events: ProgrammeChoiceEvents;
  #programmes: Programme[] = [];
  #chosen: Programme | undefined;
  #played: readonly ElementaryStream[] = [];

  constructor(wanted: { readonly video: boolean; readonly audio: boolean }, events: ProgrammeChoiceEvents) {
    this.#wanted = wanted;
    this.#events = events;
  }

  section(section: CheckedSection): void {
    if (section.tableId === 0) {
      // Further sections list programmes beyond the first 250.
      if (section.number === 0) this.#setProgrammes(programmesOf(section));
      return;
    }
    const streams = elementaryStreamsOf(section);
    const programme = this.#programmes.find(({ number }) => number === section.extension);
    if (streams === undefined || programme === undefined) return;
    programme.streams = streams;
    programme.mapsSeen++;
    this.#choose(programme);
  }

  #setProgrammes(listed: readonly { number: number; mapPid: number }[]): void {
    const isSame =
      listed.length === this.#programmes.length &&
      listed.every(({ number, mapPid }, i) => {
        const known = this.#programmes[i];
        return known?.number === number && known.mapPid === mapPid;
      });
    if (isSame) return;
    this.#programmes = listed.map(({ number, mapPid }) => {
      const known = this.#programmes.find((programme) => programme.number === number && programme.mapPid === mapPid);
      return known ?? { number, mapPid, streams: undefined, mapsSeen: 0 };
    });
    this.#events.onMaps(new Set(listed.map(({ mapPid }) => mapPid)));
    if (this.#chosen === undefined || this.#programmes.includes(this.#chosen)) return;
    this.#chosen = undefined;
    this.#give([]);
  }

  #choose(changed: Programme): void {
    if (this.#chosen === undefined) {
      if (this.#select(changed.streams ?? []).length === 0) return this.#noteMissing();
      const earlier = this.#programmes.slice(0, this.#programmes.indexOf(changed));
      if (changed.mapsSeen < PATIENCE && earlier.some(({ streams }) => streams === undefined)) return;
      this.#chosen = changed;
      if (this.#programmes.length > 1)
        this.#events.onNote(`of ${this.#programmes.length} programmes only number ${changed.number} is taken`);
    }
    if (changed === this.#chosen) this.#give(this.#select(changed.streams ?? []));
  }

  /** The first stream of each kind that is wanted and can be carried. */
  #select(streams: readonly ElementaryStream[]): ElementaryStream[] {
    return (['video', 'audio'] as const).flatMap(
      (kind) =>
        (this.#wanted[kind] && streams.find((stream) => stream.kind === kind && stream.format !== undefined)) || [],
    );
  }

  #give(selected: readonly ElementaryStream[]): void {
    for (const stream of this.#chosen?.streams ?? []) this.#noteLeftOut(stream, selected);
    const isSame =
      selected.length === this.#played.length && selected.every((stream, i) => same(stream, this.#played[i]));
    if (isSame) return;
    this.#played = selected;
    this.#events.onStreams(selected);
  }

  #noteLeftOut(stream: ElementaryStream, selected: readonly ElementaryStream[]): void {
    const { kind, title, format } = stream;
    if (kind === 'other' || !this.#wanted[kind] || selected.includes(stream)) return;
    const why = format === undefined ? 'that codec can not be carried' : `only the first ${kind} stream is taken`;
    this.#events.onNote(`${title} is left out: ${why}`);
  }

  #noteMissing(): void {
    if (this.#programmes.some(({ streams }) => streams === undefined)) return;
    for (const { streams = [] } of this.#programmes) for (const stream of streams) this.#noteLeftOut(stream, []);
  }
}

function same(a: ElementaryStream, b: ElementaryStream | undefined): boolean {
  return a.pid === b?.pid && a.format === b.format && a.opusChannels === b.opusChannels;
}

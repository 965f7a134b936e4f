import type { LadderBody, LadderRow } from '@sluice/contract';
import { type Ref, ref } from 'vue';

/** Which quality of a stream is watched, with a question before one is made that costs something. */
export interface QualityChoice {
  /** Empty for the picture as it is published, `auto` for what the line takes. */
  readonly quality: Readonly<Ref<string>>;
  /** The one that is asked about. */
  readonly asked: Readonly<Ref<LadderRow | undefined>>;
  /** Takes a quality at once, or asks first. */
  choose(name: string): void;
  answer(confirmed: boolean): void;
}

/** A choice among the qualities of a stream; undefined while they are not known. */
export function useQuality(ladder: Readonly<Ref<LadderBody | undefined>>): QualityChoice {
  const quality = ref('');
  const asked = ref<LadderRow>();
  return {
    quality,
    asked,
    choose: (name) => {
      const row = ladder.value?.renditions.find((rendition) => rendition.name === name);
      if (row !== undefined && isCostly(row)) asked.value = row;
      else quality.value = name;
    },
    answer: (confirmed) => {
      if (confirmed && asked.value !== undefined) quality.value = asked.value.name;
      asked.value = undefined;
    },
  };
}

/** `0.4 cores`, `1.0 core`. */
export function coresText(value: number): string {
  return `${value.toFixed(value > 0 && value < 0.1 ? 2 : 1)} ${value === 1 ? 'core' : 'cores'}`;
}

/** Cores that are still free for pictures. */
export function freeCores({ limitCores, usedCores }: LadderBody): number {
  return Math.max(0, limitCores - usedCores);
}

/** What one more quality would cost, in words for who asks for it. */
export function costWarning(row: LadderRow, ladder: LadderBody): string {
  const free = freeCores(ladder);
  const isFor = 'for as long as somebody watches it';
  const needs = `Making it takes about ${coresText(row.estimatedCores)} of this server ${isFor}; ${coresText(free)} of ${coresText(ladder.limitCores)} are free.`;
  return row.estimatedCores > free ? `${needs} That is more than is free: the server will refuse it.` : needs;
}

/** True for what nobody watches yet and somebody would have to make. */
function isCostly({ original, running, estimatedCores }: LadderRow): boolean {
  return !original && !running && estimatedCores > 0;
}

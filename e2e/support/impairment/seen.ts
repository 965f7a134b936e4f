import { vi } from 'vitest';
import type { Pages, ScriptedPage } from '../webrtc/pages.ts';
import {
  type NumberedPicture,
  type PlaySample,
  type PublishNumbered,
  playNumbered,
  publishNumbered,
  type SeenInPage,
  seenInPage,
  sentInPage,
  sourceInPage,
} from './in-page.ts';
import { NUMBER_BITS, numberOf } from './numbered.ts';
import { BEAT_MS, type Span, STALL_MS, stalledMs } from './stalls.ts';

export type { Span } from './stalls.ts';

/** What a viewer saw and heard in a span. */
export interface Viewed {
  readonly pictures: number;
  /** Pictures per second that were decoded. */
  readonly rate: number;
  /** The longest time without a new picture; and the same without the stalls of the machine in it. */
  readonly gapMs: number;
  readonly ownGapMs: number;
  /** What of the span lies in such stalls. */
  readonly stalledMs: number;
  readonly freezes: number;
  readonly freezeMs: number;
  /** Share of the sound that was made up, without silence. */
  readonly concealed: number;
  readonly broken: number;
  readonly bitrate: number;
  readonly keyFrames: number;
  readonly packetsLost: number;
  readonly resent: number;
  /** How long pictures waited in the player's buffer on average, and at most over half a second. */
  readonly bufferMs: number;
  readonly longestBufferMs: number;
  readonly height: number;
}

/** A page that plays numbered pictures, and all that it has seen. */
export class SeeingPage {
  readonly page: ScriptedPage;

  private constructor(page: ScriptedPage) {
    this.page = page;
  }

  /** Opens a page that plays by WHEP. */
  static async play(pages: Pages, url: string, configuration: RTCConfiguration = {}): Promise<SeeingPage> {
    const page = await pages.page();
    await page.evaluate(`window.numberOf = ${String(numberOf)}`);
    await page.evaluate(playNumbered, {
      url,
      configuration,
      numberBits: NUMBER_BITS,
      beatMs: BEAT_MS,
      stallMs: STALL_MS,
    });
    return new SeeingPage(page);
  }

  seen(): Promise<SeenInPage> {
    return this.page.evaluate(seenInPage);
  }

  /** Waits until so many pictures have been shown. */
  async untilShown(count: number, timeoutMs = 20_000): Promise<SeenInPage> {
    return vi.waitFor(
      async () => {
        const seen = await this.seen();
        const last = JSON.stringify(seen.samples.at(-1));
        if (seen.pictures.length < count) throw new Error(`${seen.pictures.length} pictures of ${count}: ${last}`);
        return seen;
      },
      { timeout: timeoutMs, interval: 50 },
    );
  }

  async close(): Promise<void> {
    await this.page.context().close();
  }
}

/** Opens a page that publishes numbered pictures and a tone; it is connected then. */
export async function publishNumberedFrom(
  pages: Pages,
  options: Omit<PublishNumbered, 'numberBits'>,
): Promise<ScriptedPage> {
  const page = await pages.page();
  await page.evaluate(publishNumbered, { ...options, numberBits: NUMBER_BITS });
  return page;
}

/** Times of all pictures that such a page has sent, milliseconds; it has to note them. */
export function sentBy(page: ScriptedPage): Promise<number[]> {
  return page.evaluate(sentInPage);
}

/** The source (SSRC) of the picture that such a page sends. */
export function sourceOf(page: ScriptedPage): Promise<number> {
  return page.evaluate(sourceInPage);
}

/** What was seen in a span; `stalls` are those of others than the page that the pictures came by. */
export function viewed(
  { pictures, samples, stalls: ownStalls }: SeenInPage,
  { fromMs, toMs }: Span,
  stalls: readonly Span[] = [],
): Viewed {
  const allStalls = [...ownStalls, ...stalls];
  const within = pictures.filter(({ atMs }) => atMs >= fromMs && atMs <= toMs);
  const at = samples.filter((sample) => sample.atMs >= fromMs && sample.atMs <= toMs);
  const [first, last] = [at[0], at.at(-1)];
  if (first === undefined || last === undefined) throw new Error('nothing was looked at in this time');
  const grown = (key: Exclude<keyof PlaySample, 'connection'>): number => last[key] - first[key];
  const seconds = grown('atMs') / 1000;
  return {
    pictures: within.length,
    rate: grown('framesDecoded') / seconds,
    gapMs: longestGapMs(within, { fromMs, toMs }, []),
    ownGapMs: longestGapMs(within, { fromMs, toMs }, allStalls),
    stalledMs: stalledMs({ fromMs, toMs }, allStalls),
    freezes: grown('freezeCount'),
    freezeMs: grown('totalFreezesDuration') * 1000,
    concealed:
      (grown('concealedSamples') - grown('silentConcealedSamples')) / Math.max(1, grown('totalSamplesReceived')),
    broken: within.filter(({ number }) => number === undefined).length,
    bitrate: (grown('bytesReceived') * 8) / seconds,
    keyFrames: grown('keyFramesDecoded'),
    packetsLost: grown('packetsLost'),
    resent: grown('retransmittedPacketsReceived'),
    bufferMs: bufferMs(first, last),
    longestBufferMs: Math.max(0, ...at.slice(5).map((sample, i) => bufferMs(at[i] ?? sample, sample))),
    height: last.frameHeight,
  };
}

/** The longest time without another picture, with the times before the first and after the last, less the stalls in it. */
function longestGapMs(pictures: readonly NumberedPicture[], { fromMs, toMs }: Span, stalls: readonly Span[]): number {
  const shown = pictures.filter(({ number }, i) => i === 0 || number !== pictures[i - 1]?.number);
  const moments = [fromMs, ...shown.map(({ atMs }) => atMs), toMs];
  const gaps = moments.slice(1).map((moment, i) => ({ fromMs: moments[i] ?? moment, toMs: moment }));
  return Math.max(...gaps.map((gap) => gap.toMs - gap.fromMs - stalledMs(gap, stalls)));
}

function bufferMs(from: PlaySample, to: PlaySample): number {
  const emitted = to.jitterBufferEmittedCount - from.jitterBufferEmittedCount;
  return emitted <= 0 ? 0 : ((to.jitterBufferDelay - from.jitterBufferDelay) * 1000) / emitted;
}

/**
 * How late pictures were shown in a span, milliseconds, against the earliest that any picture was shown by `reference`
 * after its time in a stream of `rate` pictures per second.
 */
export function delaysMs(
  { pictures }: SeenInPage,
  { reference, rate, span }: { readonly reference: SeenInPage; readonly rate: number; readonly span: Span },
): number[] {
  const offsets = (all: readonly NumberedPicture[]): number[] =>
    all.flatMap(({ atMs, number }) => (number === undefined ? [] : [atMs - (number * 1000) / rate]));
  const roundMs = (2 ** NUMBER_BITS * 1000) / rate;
  const least = Math.min(...offsets(reference.pictures));
  const within = pictures.filter(({ atMs }) => atMs >= span.fromMs && atMs <= span.toMs);
  return offsets(within).map((offset) => (offset - least) % roundMs);
}

/** How late one picture was, milliseconds after it was drawn. */
export interface Delay {
  /** When it was shown. */
  readonly atMs: number;
  readonly delayMs: number;
  /** The same without the stalls of the machine in between. */
  readonly ownDelayMs: number;
}

/** What is known beside the page: when the publisher drew its pictures, and when others than the page did not run. */
export interface Drawn {
  /** By their numbers, which begin anew after `NUMBER_BITS` bits; on the clock of the machine. */
  readonly drawnMs: readonly number[];
  readonly stalls: readonly Span[];
}

/** How late the pictures were that were shown in a span. */
export function delaysOf(seen: SeenInPage, span: Span, { drawnMs, stalls }: Drawn): Delay[] {
  const allStalls = [...seen.stalls, ...stalls];
  return seen.pictures.flatMap(({ atMs, number }) => {
    if (number === undefined || atMs < span.fromMs || atMs > span.toMs) return [];
    let fromMs = drawnMs[number];
    for (let i = number; (drawnMs[i] ?? Number.POSITIVE_INFINITY) <= atMs; i += 2 ** NUMBER_BITS) fromMs = drawnMs[i];
    if (fromMs === undefined) throw new Error(`picture ${number} was never drawn`);
    const delayMs = atMs - fromMs;
    return [{ atMs, delayMs, ownDelayMs: delayMs - stalledMs({ fromMs, toMs: atMs }, allStalls) }];
  });
}

/** Waits for so long and tells from when to when. */
export async function during(ms: number): Promise<Span> {
  const fromMs = Date.now();
  await new Promise((resolve) => setTimeout(resolve, ms));
  return { fromMs, toMs: Date.now() };
}

import type { Counters } from '../../../core/index.ts';
import type { Answerer } from '../answer.ts';
import type { HlsChannels } from '../channels.ts';
import type { HlsOptions } from '../options.ts';
import type { Preloader } from '../preloader/preloader.ts';
import type { Directives, HlsTarget } from '../request.ts';
import type { HlsViewers, Visitor } from '../viewers.ts';
import type { Exchange } from './exchange.ts';
import type { Refusals } from './refusals.ts';
import type { WaitingRoom } from './waiting-room.ts';

/** What a request says: the same whenever the same bytes come on the same connection. */
export interface Understood<Target extends HlsTarget = HlsTarget> {
  readonly target: Target;
  /** As it came, without `?` and without directives. */
  readonly query: string;
  readonly directives: Directives;
  readonly visitor: Visitor;
}

/** A request by somebody who may watch, with what was read from it. */
export interface Asking<Target extends HlsTarget = HlsTarget> extends Understood<Target> {
  readonly exchange: Exchange;
}

/** What answers of all kinds are made with. */
export interface DeskParts {
  readonly channels: HlsChannels;
  readonly viewers: HlsViewers;
  readonly answer: Answerer;
  readonly refuse: Refusals;
  readonly room: WaitingRoom;
  /** Shows a clip before the first segment; undefined: requests are held until there is one. */
  readonly preloader: Preloader | undefined;
  readonly counters: Counters;
  readonly options: HlsOptions;
}

/** Requests wait for this many target durations (RFC 8216bis §6.2.5.2), but not for longer than connections live idle. */
const WAIT_TARGETS = 3;
const MAX_WAIT_MS = 45_000;

/** Until when something of a playlist with that target duration is waited for, monotonic milliseconds. */
export function waitUntilMs(targetSeconds: number): number {
  return performance.now() + Math.min(MAX_WAIT_MS, targetSeconds * WAIT_TARGETS * 1000);
}

import { isValidStreamName } from '../../../core/index.ts';
import type { HlsLadder } from '../ladder/ladder.ts';
import type { HlsPackager } from '../packager.ts';
import { safeQuery } from '../playlist.ts';
import type { HlsForm } from '../position.ts';
import type { HlsTarget, MediaFile } from '../request.ts';
import { type Asking, type DeskParts, waitUntilMs } from './desk.ts';
import type { Exchange } from './exchange.ts';
import { type PlaylistForm, RenderedPlaylists } from './rendered-playlists.ts';

const HLS_TYPE = 'application/vnd.apple.mpegurl';

export type PlaylistTarget = Exclude<HlsTarget, MediaFile>;

/** A playlist that was found: what it is made of and what it looks like. */
interface Found {
  readonly packager: HlsPackager;
  /** Of a media playlist, which can be waited for. */
  readonly form?: PlaylistForm | undefined;
  readonly variant?: string | undefined;
  /** Of any other. */
  render?(query: string): string;
}

/** Answers requests for playlists: starts what they are of, and holds them until there is something to list. */
export class PlaylistDesk {
  readonly #parts: DeskParts;
  readonly #rendered = new RenderedPlaylists();
  #held = 0;

  constructor(parts: DeskParts) {
    this.#parts = parts;
  }

  /** Requests that wait for the first segment of their stream. */
  get held(): number {
    return this.#held;
  }

  /** Answers at once where there is something to list, or when there is; rejects for what no request is to be blamed for. */
  send(asking: Asking<PlaylistTarget>): Promise<void> | undefined {
    const { kind } = asking.target;
    const form = kind === 'media' || kind === 'master' ? 'muxed' : 'split';
    const found = this.#findReady(asking.target, form);
    if (found === undefined) return this.#sendWhenFound(asking, form);
    this.#sendWhenDue(asking, found);
    return undefined;
  }

  /** What runs already and has something to list, as nearly always: that costs no promise. */
  #findReady(target: PlaylistTarget, form: HlsForm): Found | undefined {
    const { channels } = this.#parts;
    const nowMs = performance.now();
    const found =
      target.kind === 'ladder' || target.kind === 'variant'
        ? ofLadder(channels.findLadderOfLive(target.streamName, nowMs), target)
        : ofStream(channels.findOfLive(target.streamName, nowMs, form), target);
    return found?.packager.ready === true ? found : undefined;
  }

  async #sendWhenFound(asking: Asking<PlaylistTarget>, form: HlsForm): Promise<void> {
    const { exchange, target } = asking;
    const { channels, options, refuse } = this.#parts;
    const { streamName } = target;
    if (this.#held >= options.maxHeldRequests && channels.find(streamName, performance.now(), form)?.ready !== true) {
      refuse.fail(exchange, 503, 'too many requests wait for a stream to start, try again');
      return;
    }
    if (channels.isPersonal(streamName)) {
      refuse.fail(exchange, 415, `"${streamName}" plays to one viewer at a time and not by HLS: ask for vod-live://`);
      return;
    }
    let found: Found | undefined;
    try {
      found = isValidStreamName(streamName) ? await this.#find(asking, form) : undefined;
    } catch (error) {
      refuse.unavailable(exchange, error);
      return;
    }
    if (exchange.gone) return;
    if (found === undefined) {
      refuse.notFound(exchange, absence(target));
    } else if (found.packager.ready) this.#sendWhenDue(asking, found);
    else this.#refuseUnready(exchange, found.packager);
  }

  /** Finds what the playlist is made of, started if need be, and waits for its first segment. */
  async #find({ exchange, target }: Asking<PlaylistTarget>, form: HlsForm): Promise<Found | undefined> {
    const { channels } = this.#parts;
    this.#held++;
    try {
      const found =
        target.kind === 'ladder' || target.kind === 'variant'
          ? ofLadder(await channels.openLadder(target.streamName), target)
          : ofStream(await channels.open(target.streamName, form), target);
      if (found !== undefined) await this.#firstSegment(found.packager, exchange);
      return found;
    } finally {
      this.#held--;
    }
  }

  /** Waits for a segment, the end of the stream, the client's leaving or the time limit. */
  async #firstSegment(packager: HlsPackager, exchange: Exchange): Promise<void> {
    if (packager.ready || packager.ended || packager.refusal !== undefined || exchange.gone) return;
    if (packager.form === 'muxed') this.#parts.preloader?.show(packager);
    if (packager.ready) return;
    await new Promise<void>((resolve) => {
      const finish = (): void => {
        clearTimeout(timer);
        waiter[Symbol.dispose]();
        exchange.onGone = undefined;
        resolve();
      };
      const timer = setTimeout(finish, this.#parts.options.startWaitMs);
      const waiter = packager.onceReady(finish);
      exchange.onGone = finish;
    });
  }

  #refuseUnready(exchange: Exchange, packager: HlsPackager): void {
    const { refuse } = this.#parts;
    const named = `stream "${packager.stream.name}"`;
    if (packager.ended) refuse.notFound(exchange, `${named} ended before it could be played`);
    else if (packager.refusal !== undefined) {
      refuse.fail(exchange, 415, `${named} can not be played by HLS: ${packager.refusal}`);
    } else refuse.fail(exchange, 503, `${named} has no segment yet; it needs a key frame, try again`);
  }

  /** Sends the playlist once it has what the client asks for (RFC 8216bis §6.2.5.2). */
  #sendWhenDue(asking: Asking<PlaylistTarget>, found: Found): void {
    const { exchange, directives } = asking;
    const { refuse, room, options } = this.#parts;
    const { packager } = found;
    const { msn, part } = directives;
    if (found.form === undefined || msn === undefined || !options.lowLatency) {
      this.#sendNow(asking, found);
      return;
    }
    if (!packager.ended && packager.farAhead(msn, part)) {
      refuse.fail(exchange, 400, `segment ${msn}${part === undefined ? '' : ` part ${part}`} is too far ahead`);
      return;
    }
    if (exchange.isQueued) {
      // It waits behind another answer on its connection, where answers could pile up without end.
      exchange.drop();
      return;
    }
    const entered = room.enter(
      {
        source: packager,
        key: `${msn}.${part}`,
        subscribe: (wake) => packager.onceAvailable(msn, part, wake),
      },
      {
        exchange,
        untilMs: waitUntilMs(packager.targetSeconds),
        ready: () => this.#sendNow(asking, found),
        giveUp: () => refuse.tooLate(exchange),
      },
    );
    if (entered === 'there') this.#sendNow(asking, found);
    else if (entered === 'full') refuse.tooMany(exchange);
    else this.#visit(asking, found);
  }

  #sendNow(asking: Asking<PlaylistTarget>, found: Found): void {
    const { exchange, query, visitor, directives, target } = asking;
    const { viewers, answer, refuse } = this.#parts;
    const { packager, form } = found;
    if (exchange.over) return;
    // Meanwhile it may have been closed, and its viewer sent away.
    if (!packager.ready) {
      this.#refuseUnready(exchange, packager);
      return;
    }
    if (viewers.isBlocked(visitor, performance.now())) {
      refuse.fail(exchange, 403, 'the session was closed by the server');
      return;
    }
    this.#visit(asking, found);
    const uriQuery = safeQuery(query);
    const body =
      form === undefined
        ? Buffer.from(found.render?.(uriQuery) ?? '')
        : this.#rendered.body(packager, { ...form, skip: directives.skip }, uriQuery);
    const isShared = form !== undefined && uriQuery === '';
    const type = target.kind === 'manifest' ? 'application/dash+xml' : HLS_TYPE;
    const cacheControl = `max-age=${maxAgeSeconds(packager.targetSeconds)}`;
    viewers.sent(visitor, answer.playlist(exchange, { body, isShared, type, cacheControl }));
  }

  #visit({ visitor }: Asking, { packager, variant }: Found): void {
    const { stream, targetSeconds } = packager;
    this.#parts.viewers.visit({ visitor, stream, targetSeconds, variant, nowMs: performance.now() });
  }
}

/** Why there is no such playlist, for people. */
function absence(target: PlaylistTarget): string {
  const { kind, streamName } = target;
  if (kind === 'variant') return `stream "${streamName}" has no quality "${target.variant}", or is not live`;
  if (kind !== 'ladder') return `no stream "${streamName}" is live; publish it first, then try again`;
  return `stream "${streamName}" has no qualities: it is not live, has no picture, or hls_abr_enabled is off`;
}

function ofStream(packager: HlsPackager | undefined, target: PlaylistTarget): Found | undefined {
  if (packager === undefined) return undefined;
  if (target.kind === 'media') return { packager, form: { track: 'main', skip: false } };
  if (target.kind === 'manifest') return { packager, render: (query) => packager.mpd(query) };
  return { packager, render: (query) => packager.masterPlaylist(query) };
}

function ofLadder(ladder: HlsLadder | undefined, target: PlaylistTarget): Found | undefined {
  if (ladder === undefined) return undefined;
  if (target.kind !== 'variant') {
    return { packager: ladder.leader, render: (query) => ladder.masterPlaylist(query) };
  }
  const variant = ladder.open(target.variant, performance.now());
  if (variant === undefined) return undefined;
  const { packager, track, name } = variant;
  return { packager, variant: name, form: { track, skip: false, reports: () => variant.reports() } };
}

/**
 * RFC 8216 §6.3.4: a client that found nothing new asks again after half the target duration. With the same answer from
 * its cache it would run dry beside segments that are there.
 */
function maxAgeSeconds(targetSeconds: number): number {
  return Math.min(1, Math.floor(targetSeconds / 2));
}

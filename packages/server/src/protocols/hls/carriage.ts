import { type Codec, codecTitle, isFmp4Carriable, type Track } from '@sluice/media';
import { type Acceptance, playerAcceptance, type StreamEntry, type StreamState } from '../../core/index.ts';
import type { HlsOptions } from './options.ts';

type Container = HlsOptions['container'];

/** Codecs that players of HLS take in a transport stream. */
const TS_CODECS: ReadonlySet<Codec> = new Set<Codec>(['h264', 'aac']);

/**
 * What goes into segments as it is where other codecs can be converted: of picture all that the container can hold,
 * of sound AAC alone, since not all players of HLS take Opus. Segments are cut from all that the stream keeps.
 */
export const ACCEPTANCE: Readonly<Record<Container, Acceptance>> = {
  fmp4: playerAcceptance({
    video: new Set(['h264', 'h265', 'av1', 'vp9']),
    audio: new Set(['aac']),
    startAt: 'oldest',
  }),
  ts: playerAcceptance({ video: new Set(['h264']), audio: new Set(['aac']), startAt: 'oldest' }),
};

/** What people read about each container and kind of track. */
const CARRIED = {
  fmp4: { video: 'H.264, H.265, AV1 and VP9', audio: 'AAC and Opus' },
  ts: { video: 'H.264', audio: 'AAC' },
} as const;

/** How long the first packets of a stream tell nothing about what else it has, media time. */
const TRACK_WAIT_US = 500_000;

/** True when segments of that container can hold this codec. */
function canCarry(codec: Codec, container: Container): boolean {
  return container === 'ts' ? TS_CODECS.has(codec) : isFmp4Carriable(codec);
}

/** True for a track that the container can hold and whose decoder configuration is known. */
export function isCarriable(track: Track | undefined, container: Container): track is Track {
  return track !== undefined && canCarry(track.codec, container) && track.parameters.length > 0;
}

export interface CarriageOptions {
  readonly container: Container;
  /** Called once for each codec of the stream that is left out, with a sentence that says what to do. */
  onLeftOut(message: string): void;
}

/** Watches what a stream consists of, and says what of it can not be played by HLS. */
export class Carriage {
  readonly #options: CarriageOptions;
  readonly #told = new Set<Codec>();
  #state: StreamState | undefined;
  /** Time of the first packet since nothing could be carried; undefined when something can, or all is known. */
  #waitingSinceUs: number | undefined;
  #refusal: string | undefined;

  constructor(options: CarriageOptions) {
    this.#options = options;
  }

  /** Why nothing of the stream can be played, for its viewers; undefined while something can, or may turn up yet. */
  get refusal(): string | undefined {
    return this.#refusal;
  }

  // Hot path: once per packet; works only when the stream's configuration has changed or is awaited.
  observe({ packet, state }: StreamEntry): void {
    if (state !== this.#state) this.#judge(state, packet.dtsUs);
    if (this.#waitingSinceUs === undefined || packet.dtsUs - this.#waitingSinceUs < TRACK_WAIT_US) return;
    this.#waitingSinceUs = undefined;
    this.#refusal = this.#describe(state);
  }

  #judge(state: StreamState, nowUs: number): void {
    if (state.epoch !== this.#state?.epoch) this.#waitingSinceUs = undefined;
    this.#state = state;
    this.#refusal = undefined;
    const { container } = this.#options;
    const { video, audio } = state;
    for (const track of [video, audio]) if (track !== undefined) this.#tell(track);
    const carries = [video, audio].some((track) => track !== undefined && canCarry(track.codec, container));
    if (carries) this.#waitingSinceUs = undefined;
    else if (video !== undefined && audio !== undefined) {
      this.#waitingSinceUs = undefined;
      this.#refusal = this.#describe(state);
    } else this.#waitingSinceUs ??= nowUs;
  }

  #tell({ codec, kind }: Track): void {
    const { container } = this.#options;
    if (canCarry(codec, container) || this.#told.has(codec)) return;
    this.#told.add(codec);
    const what = kind === 'video' ? 'picture' : 'sound';
    const advice = canCarry(codec, 'fmp4') ? ' (hls_container=fmp4 would carry it)' : '';
    const carried = CARRIED[container][kind];
    this.#options.onLeftOut(`${what} is ${codecTitle(codec)}, HLS carries ${carried}: it is left out${advice}`);
  }

  #describe({ video, audio }: StreamState): string {
    const parts: string[] = [];
    if (video !== undefined) parts.push(`its picture is ${codecTitle(video.codec)}`);
    if (audio !== undefined) parts.push(`its sound is ${codecTitle(audio.codec)}`);
    const { container } = this.#options;
    return `${parts.join(' and ')}, HLS carries ${CARRIED[container].video}, and ${CARRIED[container].audio}`;
  }
}

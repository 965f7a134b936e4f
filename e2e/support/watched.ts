/** What a player decoded, told in the same way for every player. */
export interface Watched {
  /** Decoded pictures in the order of their showing; `timeMs` where the player tells it. */
  readonly pictures: readonly { readonly timeMs?: number; readonly hash: string }[];
  /** Count of decoded pictures, from players that do not show each of them on a busy machine. */
  readonly decoded?: number;
  /** Duration of decoded sound that is the publishers' tone. */
  readonly toneMs: number;
  /** Each time that the player went back by itself, where that is known; `decoded` and `toneMs` count nothing twice. */
  readonly returns?: readonly Return[];
  /** The longest that the watching process, which is often the publisher too, or the player came late to its work. */
  readonly lateMs?: number;
  /** What the player printed, for the message of a failed test. */
  readonly log: string;
}

/** A player's going back in what it plays. */
export interface Return {
  /** Count of pictures that had been shown. */
  readonly pictures: number;
  readonly fromMs: number;
  readonly toMs: number;
  /** What the player still had to play, without going back; next to nothing when it had run dry. */
  readonly leftMs: number;
}

/** What of a stream a player shows: its picture, its sound, both (AV) or nothing. */
export type Shown = 'AV' | 'V' | 'A' | 'nothing';

/** Frequency of the tone that all publishers of the matrix send. */
export const TONE_HZ = 440;
/** Pictures per second that all publishers of the matrix send. */
export const PICTURE_RATE = 25;

const LEAST_SECONDS = 2;
/** What comes after this is not looked at: some publishers repeat themselves. */
const MOST_PICTURES = 5 * PICTURE_RATE;
const WINDOW_SECONDS = 0.05;
/** -46 dBFS; the tone is at -21 dBFS, and codecs take away a few. */
const SILENCE = 0.005;
/**
 * hls.js goes back by one target duration when it has played all that the playlist has, as when the publisher comes
 * late (in `synchronizeToLiveEdge` of its version 1.7). That is no fault of the server when the machine was too busy.
 */
const EXCUSED_RETURN = { most: 1, mostMs: 2100, mostLeftMs: 100, leastLateMs: 300 };
/** Share of the publisher's rate by which decoded pictures may miss it. */
const RATE_TOLERANCE = 0.2;
/** Share of a window's energy that must be at the tone's frequency. */
const TONE_SHARE = 0.5;

/**
 * Tells picture and sound from their absence: a picture is two seconds of decoded frames near the publisher's rate
 * that differ from each other and whose times rise; sound is two seconds of the tone.
 */
export function shown(watched: Watched): Shown {
  const picture = hasPicture(watched);
  const sound = watched.toneMs >= LEAST_SECONDS * 1000;
  if (picture) return sound ? 'AV' : 'V';
  return sound ? 'A' : 'nothing';
}

/** One line on what was decoded. */
export function describeWatched(watched: Watched): string {
  const { pictures, toneMs } = watched;
  const times = pictures.map((picture) => picture.timeMs?.toFixed(0) ?? '?');
  const distinct = new Set(pictures.map(({ hash }) => hash)).size;
  const back = pictures.findIndex(({ timeMs }, i) => i > 0 && (timeMs ?? 0) <= (pictures[i - 1]?.timeMs ?? -1));
  const returns = (watched.returns ?? []).map(
    ({ fromMs, toMs, leftMs }) =>
      `, went back from ${fromMs.toFixed(0)} to ${toMs.toFixed(0)} with ${leftMs.toFixed(0)} ms left`,
  );
  const late = watched.lateMs === undefined ? '' : `, ${watched.lateMs.toFixed(0)} ms late`;
  const order = back > 0 ? `, time does not rise from ${times[back - 1]} to ${times[back]}` : '';
  return `${watched.decoded ?? pictures.length} pictures (${distinct} distinct, ${times[0]} to ${times.at(-1)} ms${order}${returns.join('')}${late}), ${toneMs} ms of tone`;
}

function hasPicture(watched: Watched): boolean {
  const all = withoutRepeated(watched);
  const pictures = watched.decoded === undefined ? all.slice(0, MOST_PICTURES) : all;
  if ((watched.decoded ?? pictures.length) < LEAST_SECONDS * PICTURE_RATE) return false;
  // A test picture never repeats within the time that is watched; a few may look alike after lossy compression.
  if (new Set(pictures.map(({ hash }) => hash)).size < pictures.length * 0.9) return false;
  const times = pictures.flatMap(({ timeMs }) => (timeMs === undefined ? [] : [timeMs]));
  if (times.length === 0) return true;
  if (times.some((time, i) => i > 0 && time <= (times[i - 1] ?? 0))) return false;
  const spanMs = (times.at(-1) ?? 0) - (times[0] ?? 0);
  const rate = (((watched.decoded ?? times.length) - 1) * 1000) / spanMs;
  return Math.abs(rate / PICTURE_RATE - 1) < RATE_TOLERANCE;
}

/** The pictures without those that were shown once more after a return that is excused. */
function withoutRepeated({ pictures, returns = [], lateMs = 0 }: Watched): Watched['pictures'] {
  const { most, mostMs, mostLeftMs, leastLateMs } = EXCUSED_RETURN;
  const [back] = returns;
  if (back === undefined || returns.length > most || lateMs < leastLateMs) return pictures;
  if (back.leftMs > mostLeftMs || back.fromMs - back.toMs > mostMs) return pictures;
  const times = pictures.map(({ timeMs }) => timeMs ?? Number.NaN);
  const first = times.findIndex((time, i) => i >= back.pictures && time <= (times[i - 1] ?? 0));
  const shownTo = times[first - 1] ?? 0;
  const length = times
    .slice(first)
    .findIndex((time, i) => time > shownTo || (i > 0 && time <= (times[first + i - 1] ?? 0)));
  // The picture at a moment began at most its duration before.
  const isThere = first > 0 && length > 0 && (times[first] ?? 0) > back.toMs - 1000 / PICTURE_RATE - 1;
  return isThere ? pictures.toSpliced(first, length) : pictures;
}

/** Duration of the tone in 16-bit samples of one or more interleaved channels. */
export function toneMs(samples: Int16Array, sampleRate: number, channels: number): number {
  const length = Math.round(sampleRate * WINDOW_SECONDS);
  const windows = Math.floor(samples.length / channels / length);
  let found = 0;
  for (let window = 0; window < windows; window++) {
    const mono = new Float64Array(length);
    for (let i = 0; i < length; i++) mono[i] = (samples[(window * length + i) * channels] ?? 0) / 32768;
    if (isTone(mono, sampleRate)) found++;
  }
  return Math.round(found * WINDOW_SECONDS * 1000);
}

/** The Goertzel algorithm: energy at the one frequency, against all energy. */
function isTone(window: Float64Array, sampleRate: number): boolean {
  const coefficient = 2 * Math.cos((2 * Math.PI * TONE_HZ) / sampleRate);
  let [previous, beforePrevious, energy] = [0, 0, 0];
  for (const sample of window) {
    const next = sample + coefficient * previous - beforePrevious;
    beforePrevious = previous;
    previous = next;
    energy += sample * sample;
  }
  const power = previous ** 2 + beforePrevious ** 2 - coefficient * previous * beforePrevious;
  const share = (2 * power) / (window.length * energy);
  return Math.sqrt(energy / window.length) > SILENCE && share > TONE_SHARE;
}

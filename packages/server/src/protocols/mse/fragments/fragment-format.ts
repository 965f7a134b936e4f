import { type FragmentTrack, type MediaPacket, pictureSize, type Track, writeMediaSegment } from '@sluice/media';
import type { Acceptance, FanOutFormat, Stream, StreamState } from '../../../core/index.ts';
import { binaryFrame } from '../../../io/index.ts';
import { type Announcement, announce, isWritable, type PictureSize, writtenTrack } from './announcement.ts';
import { PictureTimes, SoundTimes, type TimedPacket } from './sample-times.ts';

const NOTHING = Buffer.alloc(0);

/** Packets that wait to be written together, in order of decoding. */
interface Held {
  readonly video: TimedPacket[];
  readonly audio: TimedPacket[];
  /** When the first one came, microseconds on the timeline of the stream. */
  readonly sinceUs: number;
}

/**
 * Writes a stream as fragmented MP4 (CMAF chunks), as whole WebSocket frames: each fragment is one binary message, and
 * one that holds an init segment comes after a text message that names the codecs (see Announcement).
 *
 * Times in the file are those of the stream. Fragments are written before the next frame is known: see PictureTimes and
 * SoundTimes for what that takes.
 */
export class FragmentFormat implements FanOutFormat {
  readonly #stream: Stream;
  readonly #acceptance: Acceptance;
  /** Zero: each frame is a fragment. */
  readonly #partUs: number;
  readonly #pictures = new PictureTimes();
  readonly #sounds = new SoundTimes();
  readonly #written = new WeakMap<Track, Track>();
  readonly #unwritable = new WeakSet<Track>();
  readonly #announcements = new WeakMap<StreamState, Announcement>();
  #newest: Announcement | undefined;
  #size: PictureSize | undefined;
  #held: Held | undefined;
  #sequence = 0;

  /** `acceptance` names the codecs that are carried. */
  constructor(stream: Stream, acceptance: Acceptance, partMs: number | undefined) {
    this.#stream = stream;
    this.#acceptance = acceptance;
    this.#partUs = (partMs ?? 0) * 1000;
  }

  carries({ kind, codec }: Track): boolean {
    const codecs: ReadonlySet<string> = this.#acceptance[kind];
    return codecs.has(codec);
  }

  before(packet: MediaPacket): Buffer | undefined {
    const held = this.#held;
    if (held === undefined) return undefined;
    const isOver = packet.dtsUs - held.sinceUs >= this.#partUs;
    const beginsGroup = packet.track.kind === 'video' && packet.key;
    const before = held[packet.track.kind][0]?.packet.track;
    if (!isOver && !beginsGroup && (before === undefined || before === this.#written.get(packet.track)))
      return undefined;
    this.#held = undefined;
    return this.#fragment(held.video, held.audio);
  }

  packet(packet: MediaPacket): Buffer | undefined {
    const isVideo = packet.track.kind === 'video';
    if (isVideo && packet.key) this.#size = pictureSize(packet) ?? this.#size;
    const track = this.#writtenTrack(packet.track);
    if (track === undefined) return undefined;
    const own = { ...packet, track };
    const video = isVideo ? [this.#pictures.next(own)] : [];
    const audio = isVideo ? this.#silence(packet) : this.#sounds.next(own);
    if (video.length + audio.length === 0) return NOTHING;
    // A viewer who begins with this key frame needs it whole, and at once.
    if (this.#partUs === 0 || (isVideo && packet.key)) return this.#fragment(video, audio);
    this.#held ??= { video: [], audio: [], sinceUs: packet.dtsUs };
    this.#held.video.push(...video);
    this.#held.audio.push(...audio);
    return NOTHING;
  }

  change(state: StreamState, previous: StreamState | undefined): Buffer {
    const now = this.#announcementOf(state);
    if (now === undefined || (previous !== undefined && this.#announcements.get(previous) === now)) return NOTHING;
    return now.frames;
  }

  /** Sound that has stopped must not stop the picture. */
  #silence({ dtsUs }: MediaPacket): readonly TimedPacket[] {
    return this.#newest?.audio === undefined ? [] : this.#sounds.until(dtsUs);
  }

  #fragment(video: readonly TimedPacket[], audio: readonly TimedPacket[]): Buffer {
    const tracks = [entryOf(video), entryOf(audio)].filter((entry) => entry !== undefined);
    return binaryFrame(writeMediaSegment(++this.#sequence, tracks));
  }

  /** The first time that a state is seen decides, so that all viewers are told the same of it. */
  #announcementOf(state: StreamState): Announcement | undefined {
    const known = this.#announcements.get(state);
    if (known !== undefined) return known;
    // Players can't take another track later on: what the stream has by now counts from the beginning.
    const trackOf = (kind: Track['kind']): Track | undefined => {
      const track = state[kind] ?? this.#stream.state[kind];
      return track && this.carries(track) ? this.#writtenTrack(track) : undefined;
    };
    const tracks = { video: trackOf('video'), audio: trackOf('audio') };
    const newest = this.#newest;
    const same = newest !== undefined && tracks.video === newest.video && tracks.audio === newest.audio;
    const made = same ? newest : announce(tracks, this.#size, this.#partUs === 0 ? 'frame' : this.#partUs / 1000);
    if (made === undefined) return undefined;
    this.#newest = made;
    this.#announcements.set(state, made);
    return made;
  }

  /** The same for the same track; undefined for one that can't be written. */
  #writtenTrack(track: Track): Track | undefined {
    const known = this.#written.get(track);
    if (known !== undefined || this.#unwritable.has(track)) return known;
    if (!isWritable(track, this.#size)) {
      // The size of VP9 is in its key frames.
      if (track.codec !== 'vp9' || this.#size !== undefined) this.#unwritable.add(track);
      return undefined;
    }
    const written = writtenTrack(track);
    this.#written.set(track, written);
    return written;
  }
}

/** In a fragment, a time of decoding follows from the durations before it. */
function entryOf(packets: readonly TimedPacket[]): FragmentTrack | undefined {
  const [first] = packets;
  if (first === undefined) return undefined;
  const samples = packets.map(({ packet, durationUs }, index) => {
    const next = packets[index + 1]?.packet.dtsUs;
    return { packet, durationUs: next === undefined ? durationUs : next - packet.dtsUs };
  });
  return { track: first.packet.track, samples };
}

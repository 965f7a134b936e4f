import type { MediaPacket, Track } from '../../packet.ts';
import { readTsPacket, type TsPacket } from '../ts-packet.ts';
import { ADTS_FRAMING } from './adts.ts';
import { ProgrammeClock } from './clock.ts';
import { Continuity } from './continuity.ts';
import { FramedAacStream } from './framed-stream.ts';
import { latmFraming } from './latm.ts';
import { OpusStream, opusTrackOf } from './opus-stream.ts';
import { PesReader } from './pes.ts';
import type { ElementaryStream } from './programme.ts';
import { ProgrammeChoice } from './programme-choice.ts';
import { SectionAssembler } from './sections.ts';
import { TsSplitter } from './splitter.ts';
import { type ProgrammeStream, type StreamSink, VideoStream } from './video-stream.ts';

const PAT_PID = 0;
const NULL_PID = 0x1fff;
const VIDEO_TRACK_ID = 0;
const AUDIO_TRACK_ID = 1;
const MAX_NOTES = 32;

/** What a demuxer tells. Must not throw, nor call the demuxer. */
export interface TsDemuxerEvents {
  /** A track is there, or has changed: packets that follow belong to it. */
  onTrack(track: Track): void;
  /**
   * An access unit. Its times are microseconds on the source's clock, 33 bits unwrapped; within a track they go back only
   * where that clock does.
   */
  onPacket(packet: MediaPacket): void;
  /** For people: what is left out, and why. Each text once, and not more than 32. */
  onNote(text: string): void;
}

export interface TsDemuxerOptions {
  /** What is to be looked for; both by default. */
  readonly video?: boolean | undefined;
  readonly audio?: boolean | undefined;
}

/** What has come, and what was wrong with it. */
export interface TsDemuxerCounts {
  /** Transport packets. */
  packets: number;
  /** Gaps in the counters of PIDs that are read. */
  gaps: number;
  /** Packets that came twice. */
  duplicates: number;
  /** Packets and sections that can't be read. */
  broken: number;
  scrambled: number;
  /** Access units and frames that can't be used. */
  brokenUnits: number;
  /** Pictures left out because one that they need is missing. */
  withheld: number;
}

/** One PID that is read. */
interface PidReader {
  readonly continuity: Continuity;
  push(packet: TsPacket): void;
  lost(): void;
  /** Gives out what is whole. */
  flush(): void;
}

/** A stream of the programme that is played. */
interface PlayedStream extends PidReader {
  readonly stream: ElementaryStream;
}

/**
 * Reads an MPEG transport stream (ISO 13818-1) of bytes that come in any pieces: the first video and the first sound of
 * its first programme with any. Takes H.264, H.265, AAC (ADTS, LATM) and Opus. Never throws, whatever comes; what it
 * keeps is bounded. Does no I/O.
 *
 * A picture is given out once the next one begins. One that lacks transport packets is dropped, and all that follow it
 * up to the next one that a decoder can start with.
 */
export class TsDemuxer {
  readonly counts: TsDemuxerCounts = {
    packets: 0,
    gaps: 0,
    duplicates: 0,
    broken: 0,
    scrambled: 0,
    brokenUnits: 0,
    withheld: 0,
  };
  readonly #events: TsDemuxerEvents;
  readonly #splitter = new TsSplitter((bytes, offset) => this.#packet(bytes, offset));
  readonly #choice: ProgrammeChoice;
  readonly #readers = new Map<number, PidReader>();
  readonly #played = new Map<'video' | 'audio', PlayedStream>();
  readonly #notes = new Set<string>();
  #clock = new ProgrammeClock();

  constructor(events: TsDemuxerEvents, options: TsDemuxerOptions = {}) {
    this.#events = events;
    this.#choice = new ProgrammeChoice(
      { video: options.video ?? true, audio: options.audio ?? true },
      {
        onMaps: (pids) => this.#readMaps(pids),
        onStreams: (streams) => this.#play(streams),
        onNote: (text) => this.#note(text),
      },
    );
    this.#readers.set(PAT_PID, this.#sectionReader());
  }

  /** True while transport packets are found where they are expected. */
  get synchronised(): boolean {
    return this.#splitter.synchronised;
  }

  /** Bytes that belong to no transport packet. */
  get junkBytes(): number {
    return this.#splitter.junkBytes;
  }

  /** Takes bytes; what is kept of them is copied. */
  push(bytes: Uint8Array): void {
    this.#splitter.push(bytes);
  }

  /** Nothing follows: gives out the last access units. */
  flush(): void {
    for (const { flush } of this.#played.values()) flush();
  }

  /** Bytes are missing before those that come next, whatever the counters say. */
  lost(): void {
    for (const reader of this.#readers.values()) reader.lost();
  }

  #packet(bytes: Uint8Array, offset: number): void {
    this.counts.packets++;
    const pid = (((bytes[offset + 1] ?? 0) & 0x1f) << 8) | (bytes[offset + 2] ?? 0);
    const reader = pid === NULL_PID ? undefined : this.#readers.get(pid);
    if (reader === undefined) return;
    const packet = readTsPacket(bytes, offset);
    // Its counter can't be believed either: the next one tells of the gap.
    if (packet === undefined || packet.isDamaged) return void this.counts.broken++;
    if (packet.payload.length === 0) return;
    const order = reader.continuity.check(packet, bytes, offset);
    if (order === 'duplicate') return void this.counts.duplicates++;
    if (order === 'gap') this.#gap(reader, packet);
    if (packet.isScrambled) return this.#scrambled(reader);
    reader.push(packet);
  }

  #gap(reader: PidReader, packet: TsPacket): void {
    // Told beforehand, nothing is missing, but another stream follows.
    if (packet.isDiscontinuous) reader.flush();
    else this.counts.gaps++;
    reader.lost();
  }

  #scrambled(reader: PidReader): void {
    this.counts.scrambled++;
    reader.lost();
    this.#note('parts of the stream are scrambled and left out');
  }

  #sectionReader(): PidReader {
    const assembler = new SectionAssembler({
      onSection: (section) => this.#choice.section(section),
      onBroken: () => this.counts.broken++,
    });
    return {
      continuity: new Continuity(),
      push: (packet) => assembler.push(packet.payload, packet.isStart),
      lost: () => assembler.lost(),
      flush: () => {},
    };
  }

  #readMaps(pids: ReadonlySet<number>): void {
    const own = new Set([PAT_PID, ...[...this.#played.values()].map(({ stream }) => stream.pid)]);
    for (const pid of this.#readers.keys()) if (!own.has(pid) && !pids.has(pid)) this.#readers.delete(pid);
    for (const pid of pids)
      if (pid !== NULL_PID && !this.#readers.has(pid)) this.#readers.set(pid, this.#sectionReader());
  }

  /** The streams of the chosen programme, of each kind at most one; those that go on as they were are kept. */
  #play(streams: readonly ElementaryStream[]): void {
    for (const [kind, played] of this.#played) {
      const { pid, format, opusChannels } = played.stream;
      const next = streams.find((stream) => stream.kind === kind);
      if (next?.pid === pid && next.format === format && next.opusChannels === opusChannels) continue;
      played.flush();
      this.#played.delete(kind);
      if (this.#readers.get(pid) === played) this.#readers.delete(pid);
    }
    if (this.#played.size === 0) this.#clock = new ProgrammeClock();
    for (const stream of streams) {
      if (stream.kind === 'other' || this.#played.has(stream.kind) || this.#readers.has(stream.pid)) continue;
      const played = this.#playedStream(stream);
      if (played === undefined) continue;
      this.#played.set(stream.kind, played);
      this.#readers.set(stream.pid, played);
    }
  }

  #playedStream(stream: ElementaryStream): PlayedStream | undefined {
    const elementary = this.#elementary(stream);
    if (elementary === undefined) return undefined;
    const pes = new PesReader(elementary, {
      onScrambled: () => {
        this.counts.scrambled++;
        this.#note('parts of the stream are scrambled and left out');
      },
      onBroken: () => this.counts.broken++,
    });
    let stuffed = false;
    return {
      stream,
      continuity: new Continuity(),
      push: (packet) => {
        stuffed = packet.isStuffed;
        pes.push(packet.payload, packet.isStart, packet.isRandomAccess);
      },
      lost: () => pes.lost(),
      // Where no length tells the end of a packet, its last part does, as it has to be filled up.
      flush: () => (stuffed || pes.isWhole || stream.kind === 'audio' ? elementary.flush() : pes.lost()),
    };
  }

  #elementary({ format, opusChannels, title }: ElementaryStream): ProgrammeStream | undefined {
    const clock = this.#clock;
    const sink = this.#sink();
    switch (format) {
      case 'h264':
      case 'h265':
        return new VideoStream(format, VIDEO_TRACK_ID, clock, sink);
      case 'adts':
        return new FramedAacStream(ADTS_FRAMING, AUDIO_TRACK_ID, clock, sink);
      case 'latm':
        return new FramedAacStream(latmFraming(), AUDIO_TRACK_ID, clock, sink);
      case 'opus': {
        const track = opusTrackOf(AUDIO_TRACK_ID, opusChannels);
        if (track !== undefined) return new OpusStream(track, clock, sink);
        this.#note(`${title} with channel configuration ${opusChannels} is left out`);
        return undefined;
      }
      case undefined:
        return undefined;
    }
  }

  #sink(): StreamSink {
    return {
      onTrack: (track) => this.#events.onTrack(track),
      onPacket: (packet) => this.#events.onPacket(packet),
      onBroken: () => this.counts.brokenUnits++,
      onWithheld: () => this.counts.withheld++,
    };
  }

  #note(text: string): void {
    if (this.#notes.has(text) || this.#notes.size === MAX_NOTES) return;
    this.#notes.add(text);
    this.#events.onNote(text);
  }
}

import { isDeepStrictEqual } from 'node:util';
import {
  type AacConfig,
  type MediaPacket,
  ProtocolError,
  parseAacConfig,
  silentFrame,
  type Track,
} from '@sluice/media';
import {
  type Acceptance,
  type AdaptedStream,
  ALL_AUDIO_CODECS,
  ALL_VIDEO_CODECS,
  type AudioTarget,
  OverlaidStream,
  type Publisher,
  type Reader,
  type ReaderOptions,
  type RelaySound,
  type Stream,
  type StreamEntry,
  type StreamState,
} from '../../core/index.ts';
import type { RelayDeps } from '../relay.ts';
import type { SoundControl } from './sound-control.ts';
import { SoundFeed, type SoundForm } from './sound-feed.ts';
import { SoundQueue } from './sound-queue.ts';

export interface SwitchParts {
  readonly deps: Pick<RelayDeps, 'resolvers' | 'adaptations' | 'log'>;
  readonly control: SoundControl;
  /** For people. */
  onTrouble(text: string): void;
}

/** What is made of a sound that a stream has none of its own for, and what is told of it before. */
const DEFAULT_FORM: SoundForm = { codec: 'aac', sampleRate: 48_000, channels: 2 };
const DEFAULT_CONFIG = Uint8Array.of(0x11, 0x90);
const TARGETS: ReadonlySet<string> = new Set<AudioTarget>(['aac', 'opus', 'pcma', 'pcmu', 'g722']);
/** Where a sound has nothing for so long, silence takes its place, so that players do not wait for it. */
const STARVED_US = 250_000;

/** What one who takes a source as it is takes. */
const RAW: Acceptance = {
  key: 'raw',
  video: ALL_VIDEO_CODECS,
  audio: ALL_AUDIO_CODECS,
  reorderedVideo: true,
  videoTarget: 'h264',
  audioTarget: 'aac',
};

/**
 * A stream that is pushed, with its sound as the push wants it: its own, silence, or that of a file. The picture goes
 * through as it is. Forms of it are shared with all who take the stream; only what lies behind them is the push's own.
 * Reads nothing before it is read.
 */
export class SwitchedStream extends OverlaidStream {
  readonly base: Stream;
  readonly #lease: AdaptedStream;
  readonly #parts: SwitchParts;
  readonly #forms = new Set<SwitchedStream>();
  readonly #queue = new SoundQueue();
  #reader: Reader | undefined;
  #listener: Disposable | undefined;
  #feed: { readonly feed: SoundFeed; readonly sound: RelaySound } | undefined;
  /** Of its own sound, what is newer than the sound that takes its place. */
  readonly #own: MediaPacket[] = [];
  /** Another sound was sent, and its own has not been since. */
  #mixed = false;
  #seen: StreamState | undefined;
  /** Newest time of what was read. */
  #streamUs: number | undefined;
  #soundTrack: { readonly of: Track; readonly as: Track } | undefined;
  /** The state of the base with a sound that is not there yet. */
  #expected: { readonly of: StreamState; readonly state: StreamState } | undefined;
  #trouble: RelaySound | undefined;
  #closed = false;

  /** All of a stream. */
  static of(source: Stream, parts: SwitchParts): SwitchedStream {
    const asItIs = { stream: source, source, acceptance: RAW, leftOut: {}, [Symbol.dispose]: () => {} };
    return new SwitchedStream(asItIs, parts);
  }

  private constructor(lease: AdaptedStream, parts: SwitchParts) {
    super(lease.stream.name, lease.stream.options, lease.stream.signals);
    this.base = lease.stream;
    this.#lease = lease;
    this.#parts = parts;
  }

  over(lease: AdaptedStream): AdaptedStream {
    const form = new SwitchedStream(lease, this.#parts);
    this.#forms.add(form);
    return {
      stream: form,
      source: lease.source,
      acceptance: lease.acceptance,
      get leftOut() {
        return lease.leftOut;
      },
      [Symbol.dispose]: () => {
        this.#forms.delete(form);
        form.close();
        lease[Symbol.dispose]();
      },
    };
  }

  override get publisher(): Publisher | undefined {
    return this.base.publisher;
  }

  override get live(): boolean {
    return this.base.live;
  }

  override get ended(): boolean {
    return super.ended || this.base.ended;
  }

  /** What the base has, until it is read; with the sound that is going to be put into one that has none. */
  override get state(): StreamState {
    if (this.#reader !== undefined) return super.state;
    const { state } = this.base;
    if (state.audio !== undefined || this.#parts.control.sound === undefined) return state;
    if (this.#expected?.of !== state) this.#expected = { of: state, state: withSound(state) };
    return this.#expected.state;
  }

  override get reordersVideo(): boolean {
    return this.base.reordersVideo;
  }

  override get canRequestKeyFrame(): boolean {
    return this.base.canRequestKeyFrame;
  }

  override requestKeyFrame(): void {
    this.base.requestKeyFrame();
  }

  /** The push is one viewer, which counts itself while it lives. */
  override addViewers(_delta: number): void {}

  override attach(options: ReaderOptions): Reader {
    if (this.#reader === undefined && !this.#closed) this.#begin();
    return super.attach(options);
  }

  /** Ends it with all its forms. Idempotent. */
  close(): void {
    for (const form of this.#forms) form.close();
    this.#finish('nothing is pushed any more');
  }

  #begin(): void {
    const { control } = this.#parts;
    const { acceptance } = this.#lease;
    if (acceptance.audio.size > 0 || acceptance.audioTarget !== undefined)
      this.#listener = control.events.on('changed', () => this.#choose());
    this.#reader = this.base.attach({
      startAt: 'gop',
      onReadable: () => this.#drain(),
      onEnd: (reason) => this.#finish(reason),
    });
    // What it declares before its first packet; later on packets have that with them.
    if (this.base.log.lastStartPoint < 0) this.#become(this.base.state);
    this.#drain();
  }

  #finish(reason: string): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#reader?.close();
    this.#listener?.[Symbol.dispose]();
    this.#feed?.feed.close();
    this.end(reason);
  }

  // Hot path: once per packet.
  #drain(): void {
    for (let entry = this.#reader?.read(); entry !== undefined; entry = this.#reader?.read()) this.#take(entry);
  }

  #take({ packet, state }: StreamEntry): void {
    if (state !== this.#seen) this.#become(state);
    if (this.#streamUs === undefined || packet.dtsUs > this.#streamUs) this.#streamUs = packet.dtsUs;
    if (packet.track.kind === 'video') this.publish(packet);
    else this.#takeOwn(packet);
    if (this.#feed !== undefined) this.#sendSound();
    else if (this.#parts.control.sound !== undefined) this.#choose();
  }

  #become(state: StreamState): void {
    const before = this.#seen;
    this.#seen = state;
    if (state.epoch !== super.state.epoch) {
      this.restart(state.epoch);
      this.#queue.restart();
      this.#own.length = 0;
      this.#streamUs = undefined;
    }
    if (state.video === undefined) this.#drop('video');
    else if (state.video !== super.state.video) this.setTrack(state.video);
    if (this.#soundTrack === undefined && state.audio !== super.state.audio) {
      if (state.audio === undefined) this.#drop('audio');
      else this.setTrack(state.audio);
    }
    // The base's log has been charged for it.
    if (state.metadata !== undefined && state.metadata !== before?.metadata) this.setMetadata(state.metadata, 0);
  }

  #drop(kind: Track['kind']): void {
    if (super.state[kind] !== undefined) this.removeTrack(kind);
  }

  /** The stream's own sound. While another one takes its place it waits a moment whether that does. */
  #takeOwn(packet: MediaPacket): void {
    if (this.#soundTrack === undefined || this.#parts.control.muted) {
      this.#releaseOwn();
      this.#publishOwn(packet);
      return;
    }
    this.#own.push(packet);
    while (this.#own[0] !== undefined && this.#own[0].dtsUs <= this.#queue.nextUs) this.#own.shift();
    const [oldest = packet] = this.#own;
    if (packet.dtsUs - oldest.dtsUs > STARVED_US) for (const one of this.#own.splice(0)) this.#publishOwn(one, true);
  }

  #releaseOwn(): void {
    if (this.#own.length > 0) for (const packet of this.#own.splice(0)) this.#publishOwn(packet);
  }

  #publishOwn(packet: MediaPacket, silent = this.#parts.control.muted): void {
    // What was never anything else passes whatever its times are.
    if (this.#mixed && packet.dtsUs < this.#queue.nextUs) return;
    this.#mixed = this.#soundTrack !== undefined;
    const sent = silent ? silenced(packet) : packet;
    this.#queue.taken(packet.dtsUs);
    if (sent !== undefined) this.publish(sent);
  }

  /** Something was set, or there is a stream now to put a sound into. */
  #choose(): void {
    const { sound } = this.#parts.control;
    if (this.#feed?.sound === sound || this.#closed) return;
    this.#feed?.feed.close();
    this.#forget(sound !== undefined);
    // One that could not be played is not tried with each packet.
    if (sound === undefined || this.#streamUs === undefined || this.#trouble === sound) return;
    const what = { file: sound.file, loop: sound.loop, form: this.#form() };
    const feed = new SoundFeed(this.#parts.deps, what, {
      onPacket: (packet) => {
        this.#queue.push(packet);
        this.#sendSound();
      },
      onOver: (trouble) => this.#onSoundOver(sound, trouble),
    });
    this.#feed = { feed, sound };
  }

  /** What was heard of a file is over; its place is kept when another one follows. */
  #forget(another: boolean): void {
    this.#feed = undefined;
    this.#queue.clear();
    if (another) return;
    this.#soundTrack = undefined;
    this.#releaseOwn();
  }

  #onSoundOver(sound: RelaySound, trouble: string | undefined): void {
    this.#forget(false);
    if (trouble === undefined) {
      this.#parts.control.over(sound);
      return;
    }
    this.#trouble = sound;
    this.#parts.onTrouble(`${sound.file} can not be heard: ${trouble}`);
    this.#parts.deps.log.warn({ file: sound.file, reason: trouble }, 'relay: a sound can not be played');
  }

  /** What is due of the sound of the file. */
  #sendSound(): void {
    const { muted } = this.#parts.control;
    const streamUs = this.#streamUs;
    // Its own sound is there to be silenced.
    if (streamUs === undefined || (muted && this.#seen?.audio !== undefined)) return;
    for (let packet = this.#nextSound(streamUs); packet !== undefined; packet = this.#nextSound(streamUs)) {
      const moved = { ...packet, track: this.#trackFor(packet.track) };
      const sent = muted ? silenced(moved) : moved;
      if (sent !== undefined) this.publish(sent);
    }
  }

  #nextSound(streamUs: number): MediaPacket | undefined {
    const packet = this.#queue.take(streamUs);
    if (packet !== undefined) this.#mixed = true;
    return packet;
  }

  /** The stream's own track where a decoder can't tell the difference, so that nothing is configured anew. */
  #trackFor(track: Track): Track {
    if (this.#soundTrack?.of === track) return this.#soundTrack.as;
    const own = this.#seen?.audio;
    const id = own?.id ?? soundId(this.#seen);
    const as = own !== undefined && sameConfiguration(own, track) ? own : { ...track, id };
    this.#soundTrack = { of: track, as };
    return as;
  }

  /** That of the stream's own sound, where it can be made. */
  #form(): SoundForm {
    const { acceptance } = this.#lease;
    const own = this.#seen?.audio;
    if (own !== undefined && TARGETS.has(own.codec))
      return { codec: own.codec as AudioTarget, sampleRate: own.clockRate, channels: channelsOf(own) };
    const { audioTarget = DEFAULT_FORM.codec, audioOutput } = acceptance;
    const { sampleRate = DEFAULT_FORM.sampleRate, channels = DEFAULT_FORM.channels } = audioOutput ?? {};
    return { codec: audioTarget, sampleRate, channels };
  }
}

function withSound(state: StreamState): StreamState {
  const { codec, sampleRate: clockRate } = DEFAULT_FORM;
  const audio: Track = { id: soundId(state), kind: 'audio', codec, clockRate, parameters: [DEFAULT_CONFIG] };
  return { ...state, audio };
}

function soundId(state: StreamState | undefined): number {
  return (state?.video?.id ?? 0) + 1;
}

function silenced(packet: MediaPacket): MediaPacket | undefined {
  const frame = silentFrame(packet);
  return frame && { ...packet, units: [frame], byteLength: frame.length };
}

function channelsOf(track: Track): 1 | 2 {
  if (track.codec === 'opus') return 2;
  if (track.codec !== 'aac') return 1;
  return aacConfig(track)?.channels === 1 ? 1 : 2;
}

function aacConfig(track: Track): AacConfig | undefined {
  const [config] = track.parameters;
  try {
    return config && parseAacConfig(config);
  } catch (error) {
    if (error instanceof ProtocolError) return undefined;
    throw error;
  }
}

function sameConfiguration(one: Track, other: Track): boolean {
  if (one.codec !== other.codec || one.clockRate !== other.clockRate) return false;
  const [a, b] = [one, other].map((track) => (track.codec === 'aac' ? aacConfig(track) : track.parameters));
  // The same AAC is written in several ways.
  return a !== undefined && isDeepStrictEqual(a, b);
}

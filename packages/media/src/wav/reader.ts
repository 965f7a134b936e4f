import { g711Track } from '../codec/index.ts';
import type { ByteSource, FileTrack, MediaFileReader } from '../file-plan.ts';
import type { MediaPacket, Track } from '../packet.ts';
import { badWav, readWavHead, type WavHead } from './head.ts';
import { toL16 } from './samples.ts';

/** Packets last a 50th of a second, as everywhere where sound is sent. */
const PACKETS_PER_SECOND = 50;
/** One read brings whole packets of about this many bytes. */
const READ_BYTES = 64 * 1024;
/** What decoders of plain samples take. */
const MAX_CHANNELS = 8;

/**
 * Reads WAV files: integers of 8 to 32 bits, floating point, A-law and mu-law. Mono A-law and mu-law of 8000 Hz come as
 * they are, all else as samples of 16 bits (`l16`).
 */
export class WavReader implements MediaFileReader {
  readonly tracks: readonly FileTrack[];
  readonly durationUs: number;
  readonly skipped: readonly string[];
  readonly #source: ByteSource;
  readonly #head: WavHead;

  private constructor(source: ByteSource, head: WavHead) {
    this.#source = source;
    this.#head = head;
    this.durationUs = timeOf(framesOf(head), head);
    const track = trackOf(head);
    this.tracks = track === undefined ? [] : [{ track, durationUs: this.durationUs }];
    this.skipped = track === undefined ? [`WAV ${head.coding}, ${head.channels} channels`] : [];
  }

  /** @throws ProtocolError WAV_BAD_FILE, and what the source rejects with */
  static async open(source: ByteSource): Promise<WavReader> {
    return new WavReader(source, await readWavHead(source));
  }

  async *readPackets(fromUs = 0): AsyncGenerator<MediaPacket> {
    const [only] = this.tracks;
    if (only === undefined) return;
    const { track } = only;
    const { channels, sampleRate, bytesPerSample, dataOffset } = this.#head;
    const frameBytes = channels * bytesPerSample;
    const framesPerPacket = Math.max(1, Math.floor(sampleRate / PACKETS_PER_SECOND));
    const packetBytes = framesPerPacket * frameBytes;
    const readFrames = Math.max(1, Math.floor(READ_BYTES / packetBytes)) * framesPerPacket;
    const end = framesOf(this.#head);
    const first = Math.max(0, Math.floor((fromUs * sampleRate) / 1e6));
    for (let at = first - (first % framesPerPacket); at < end; at += readFrames) {
      const wanted = Math.min(readFrames, end - at) * frameBytes;
      const bytes = await this.#source.read(dataOffset + at * frameBytes, wanted);
      if (bytes.length !== wanted) throw badWav(`it ends before byte ${dataOffset + at * frameBytes + wanted}`);
      for (let offset = 0; offset < bytes.length; offset += packetBytes)
        yield this.#packet(track, bytes.subarray(offset, offset + packetBytes), at + offset / frameBytes);
    }
  }

  #packet(track: Track, stored: Uint8Array, frame: number): MediaPacket {
    const { coding, bytesPerSample } = this.#head;
    // A copy in any case: what was read in one piece is not to be kept for a part of it.
    const unit = track.codec === 'l16' ? toL16(stored, coding, bytesPerSample) : new Uint8Array(stored);
    const us = timeOf(frame, this.#head);
    return { track, units: [unit], ptsUs: us, dtsUs: us, key: true, byteLength: unit.length };
  }
}

function trackOf({ coding, channels, sampleRate }: WavHead): Track | undefined {
  if (channels > MAX_CHANNELS || coding.startsWith('0x')) return undefined;
  if ((coding === 'pcma' || coding === 'pcmu') && channels === 1 && sampleRate === 8000) return g711Track(0, coding);
  return { id: 0, kind: 'audio', codec: 'l16', clockRate: sampleRate, parameters: [Uint8Array.of(channels)] };
}

function framesOf({ channels, bytesPerSample, dataBytes }: WavHead): number {
  return Math.floor(dataBytes / (channels * bytesPerSample));
}

function timeOf(frame: number, { sampleRate }: WavHead): number {
  return Math.round((frame * 1e6) / sampleRate);
}

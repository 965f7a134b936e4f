import type { OpenMessage, SourceMessage } from '../wire.ts';
import { type OpenedEncoder, openAudioDecoder, openAudioEncoder } from './audio-codecs.ts';
import { type DecodedSound, frameFormatKey, PcmFrame, Resampler, SampleQueue } from './native/audio.ts';
import type { CodedPacket, Decoder } from './native/codec.ts';
import { SampleClock } from './sample-clock.ts';
import type { Session, SessionOutput } from './session.ts';

/** Turns a track of sound into another codec. */
export class AudioBridge implements Session {
  readonly #message: OpenMessage;
  readonly #output: SessionOutput;
  #decoder: Decoder;
  #resampler: Resampler | undefined;
  #inputKey = '';
  #encoding: Encoding | undefined;

  /** @throws NativeError */
  constructor(message: OpenMessage, output: SessionOutput) {
    this.#message = message;
    this.#output = output;
    this.#decoder = openAudioDecoder(message.source);
  }

  setSource(source: SourceMessage): void {
    this.#decoder.close();
    this.#decoder = openAudioDecoder(source);
  }

  push(bytes: Buffer, timeUs: number): void {
    let isFirst = true;
    const good = this.#decoder.decode(bytes, timeUs, (frame, frameUs) => {
      // Only the first frame of a packet has the packet's time; the others follow it.
      this.#take(frame, isFirst ? frameUs : undefined);
      isFirst = false;
    });
    if (!good) this.#output.dropped(1);
  }

  close(): void {
    this.#decoder.close();
    this.#resampler?.close();
    this.#encoding?.close();
  }

  #take(frame: DecodedSound, timeUs: number | undefined): void {
    const key = frameFormatKey(frame);
    if (key !== this.#inputKey || !this.#resampler || !this.#encoding) {
      this.#resampler?.close();
      this.#resampler = undefined;
      this.#encoding = this.#encodingFor(frame);
      this.#resampler = new Resampler(frame, this.#encoding.format);
      this.#inputKey = key;
    }
    this.#encoding.take(frame, timeUs, this.#resampler);
  }

  /** The encoder stays as long as it suits the sound; the clock of a new one goes on where the old one's was. */
  #encodingFor(frame: DecodedSound): Encoding {
    const decoded = { rate: frame.sampleRate, channels: frame.channelLayout.nbChannels };
    if (this.#encoding?.suits(decoded)) return this.#encoding;
    this.#encoding?.close();
    const earliestUs = this.#encoding?.endUs;
    this.#encoding = undefined;
    return new Encoding(openAudioEncoder(this.#message, decoded), decoded, { output: this.#output, earliestUs });
  }
}

/** The second half: from samples with times to packets of the target. */
class Encoding {
  readonly #opened: OpenedEncoder;
  readonly #decoded: { readonly rate: number; readonly channels: number };
  readonly #output: SessionOutput;
  readonly #clock: SampleClock;
  readonly #queue: SampleQueue;
  readonly #frame: PcmFrame;
  /** Samples that the encoder was given; it knows of no jumps. */
  #encoded = 0;
  /** From which sample of the encoder's on the clock is how far ahead of it; the first entry counts now. */
  readonly #jumps = [{ from: 0, ahead: 0 }];
  #earliestUs: number | undefined;

  constructor(
    opened: OpenedEncoder,
    decoded: { rate: number; channels: number },
    { output, earliestUs }: { output: SessionOutput; earliestUs: number | undefined },
  ) {
    this.#opened = opened;
    this.#decoded = decoded;
    this.#output = output;
    this.#earliestUs = earliestUs;
    this.#clock = new SampleClock(opened.format.rate);
    this.#queue = new SampleQueue(opened.format);
    this.#frame = new PcmFrame(opened.format, opened.samplesPerFrame);
    output.track({
      clockRate: opened.format.rate,
      parameters: opened.parameters.map((bytes) => Buffer.from(bytes).toString('base64')),
      packetUs: this.#packetUs,
    });
  }

  get format() {
    return this.#opened.format;
  }

  /** The time up to which packets were put out; undefined when there were none. */
  get endUs(): number | undefined {
    return this.#earliestUs;
  }

  get #packetUs(): number {
    return (this.#opened.samplesPerFrame * 1e6) / this.format.rate;
  }

  /** Whether sound of this form gives the same encoder. */
  suits(decoded: { rate: number; channels: number }): boolean {
    return decoded.rate === this.#decoded.rate && decoded.channels === this.#decoded.channels;
  }

  take(frame: DecodedSound, timeUs: number | undefined, resampler: Resampler): void {
    const { silence, trim, jump, stretch } = this.#clock.place(timeUs, resampler.delaySamples);
    if (stretch !== 0) resampler.stretch(stretch, this.format.rate);
    if (silence > 0) this.#queue.writeSilence(silence);
    if (jump > 0) this.#jump();
    const { planes, samples } = resampler.convert(frame);
    const from = Math.min(trim, samples);
    this.#queue.write(planes, from, samples);
    this.#clock.advance(samples - from);
    this.#encodeFull();
  }

  /** Ends the frame that is being filled with silence, and goes on where the clock is now. */
  #jump(): void {
    const { samplesPerFrame } = this.#opened;
    this.#encodeFull();
    if (this.#queue.samples > 0) this.#queue.writeSilence(samplesPerFrame - this.#queue.samples);
    this.#encodeFull();
    this.#jumps.push({ from: this.#encoded, ahead: this.#clock.position - this.#encoded });
  }

  #encodeFull(): void {
    const { encoder, samplesPerFrame } = this.#opened;
    while (this.#queue.samples >= samplesPerFrame) {
      const frame = this.#frame.fill(this.#queue, this.#encoded);
      this.#encoded += samplesPerFrame;
      if (!encoder.encode(frame, (packet) => this.#emit(packet))) this.#output.dropped(1);
    }
  }

  #emit(packet: CodedPacket): void {
    const timeUs = this.#clock.timeUs(this.#placeOf(Number(packet.time)));
    // The encoder's own delay comes before the first sample: nothing of the source is in there.
    this.#earliestUs ??= this.#clock.timeUs(0);
    if (timeUs < this.#earliestUs - 1) return;
    this.#earliestUs = timeUs + this.#packetUs;
    this.#output.packet({ bytes: packet.bytes, timeUs, key: true });
  }

  /** Where a packet of the encoder's lies on the clock: where most of its samples do. */
  #placeOf(sample: number): number {
    const middle = sample + this.#opened.samplesPerFrame / 2;
    while ((this.#jumps[1]?.from ?? Number.POSITIVE_INFINITY) <= middle) this.#jumps.shift();
    return sample + (this.#jumps[0]?.ahead ?? 0);
  }

  close(): void {
    this.#opened.encoder.close();
    this.#frame.close();
  }
}

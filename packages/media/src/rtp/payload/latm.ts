import { type LatmConfig, splitLatm } from '../../codec/latm.ts';
import { ProtocolError } from '../../packet.ts';
import { joinBytes } from '../bytes.ts';
import { aacFrameTicks, spacedFrames } from './aac.ts';
import type { DepacketizedFrame, RtpDepacketizer, RtpMediaPacket } from './format.ts';
import { NewParameters } from './new-parameters.ts';

/** Most bytes of one audioMuxElement. */
const MAX_ELEMENT_BYTES = 64 * 1024;

export interface LatmDepacketizerOptions {
  readonly configPresent: boolean;
  readonly config?: LatmConfig | undefined;
  /** Ticks a second of the RTP timestamps; the sampling rate by default. */
  readonly clockRate?: number | undefined;
}

/**
 * AAC as LATM, RFC 6416 §6, with its configuration in the session description or in the packets; elements may go over
 * several packets. The frames behind the first of a packet come in `more`. What is broken is refused with
 * LATM_BAD_PAYLOAD, other LATM than that of one program and one layer with LATM_UNSUPPORTED.
 */
export function latmDepacketizer(options: LatmDepacketizerOptions): RtpDepacketizer {
  return new LatmDepacketizer(options);
}

class LatmDepacketizer implements RtpDepacketizer {
  readonly #inBand: boolean;
  readonly #clockRate: number | undefined;
  readonly #parameters: NewParameters;
  #config: LatmConfig | undefined;
  /** The beginning of an element that goes on. */
  #parts: Uint8Array[] = [];
  #bytes = 0;
  #timestamp = 0;

  constructor({ configPresent, config, clockRate }: LatmDepacketizerOptions) {
    this.#inBand = configPresent;
    this.#clockRate = clockRate;
    this.#config = config;
    this.#parameters = new NewParameters(config === undefined ? [] : [config.audioConfig]);
  }

  push({ payload, timestamp, marker }: RtpMediaPacket, lost: boolean): DepacketizedFrame | undefined {
    if (payload.length === 0) return undefined;
    if (lost || timestamp !== this.#timestamp) this.#forget();
    this.#timestamp = timestamp;
    const bytes = this.#parts.length > 0 ? joinBytes([...this.#parts, payload]) : payload;
    const element = splitLatm(bytes, this.#inBand, this.#config);
    if (element === undefined) return this.#hold(payload, marker);
    this.#forget();
    const { config } = element;
    this.#config = config;
    if (config === undefined) return undefined;
    const frame = spacedFrames(element.frames, timestamp, aacFrameTicks(config.audioConfig, this.#clockRate));
    const parameters = this.#parameters.take([config.audioConfig]);
    return frame && { ...frame, ...(parameters && { parameters }) };
  }

  #hold(payload: Uint8Array, marker: boolean): undefined {
    this.#parts.push(new Uint8Array(payload));
    this.#bytes += payload.length;
    if (!marker && this.#bytes <= MAX_ELEMENT_BYTES) return undefined;
    const bytes = this.#bytes;
    this.#forget();
    throw new ProtocolError('LATM_BAD_PAYLOAD', `an element that does not end within ${bytes} bytes`);
  }

  #forget(): void {
    this.#parts = [];
    this.#bytes = 0;
  }
}

import { ProtocolError, type Track } from '../packet.ts';

/** How the samples of G.726 lie in their bytes. */
export interface G726Format {
  /** 2 to 5: 16, 24, 32 or 40 kbit/s. */
  readonly bitsPerSample: 2 | 3 | 4 | 5;
  /** `rfc3551`: the first sample in the least significant bits; `aal2`: in the most significant ones (ITU-T I.366.2). */
  readonly packing: 'rfc3551' | 'aal2';
}

/** Sampling rate of G.726 in Hz. */
const G726_RATE = 8000;

/** Makes a mono G.726 track of 8000 Hz. */
export function g726Track(id: number, { bitsPerSample, packing }: G726Format): Track {
  const parameters = [Uint8Array.of(bitsPerSample, packing === 'aal2' ? 1 : 0)];
  return { id, kind: 'audio', codec: 'g726', clockRate: G726_RATE, parameters };
}

/**
 * What the parameters of a G.726 track say.
 * @throws ProtocolError G726_BAD_PARAMETERS
 */
export function parseG726Parameters(parameters: readonly Uint8Array[]): G726Format {
  const [bits, packing] = parameters[0] ?? [];
  if (bits !== 2 && bits !== 3 && bits !== 4 && bits !== 5)
    throw new ProtocolError('G726_BAD_PARAMETERS', `G.726 with ${bits} bits a sample`);
  return { bitsPerSample: bits, packing: packing === 1 ? 'aal2' : 'rfc3551' };
}

/** Makes a track of plain samples: 16 bits, big endian, channels interleaved (RFC 3551 §4.5.11). */
export function l16Track(id: number, clockRate: number, channels: number): Track {
  return { id, kind: 'audio', codec: 'l16', clockRate, parameters: [Uint8Array.of(channels)] };
}

/** Channels that the parameters of an L16 track tell; 1 when they tell nothing. */
export function l16Channels(parameters: readonly Uint8Array[]): number {
  return Math.max(1, parameters[0]?.[0] ?? 1);
}

import type { Track } from '@sluice/media';
import type { DeliveryFacts } from '../explain.ts';
import { wants } from './acceptance.ts';
import type { Adaptations, AdaptedStream } from './adaptations.ts';

/** In what form a viewer gets that kind of media of the stream that it was lent. */
export function deliveryOf(
  kind: Track['kind'],
  adapted: Omit<AdaptedStream, typeof Symbol.dispose>,
  adaptations: Adaptations,
): DeliveryFacts {
  const { source, stream, leftOut, acceptance } = adapted;
  const sent = source.state[kind];
  if (sent === undefined) return { delivery: 'absent' };
  if (!wants(acceptance, kind)) return { delivery: 'left_out', reason: 'the viewer does not take it' };
  const reason = leftOut[kind];
  if (reason !== undefined) return { delivery: 'left_out', reason };
  const track = stream.state[kind];
  // What goes through is the very same track, also where a conversion would make the same codec of it.
  if (stream === source || track === sent) return { delivery: 'as_is', codec: sent.codec };
  const conversion = adaptations.conversionFor(source, kind, acceptance);
  // A track that changed while its packets are on the way.
  if (conversion === undefined) return { delivery: track === undefined ? 'pending' : 'as_is', codec: track?.codec };
  if (conversion.failure !== undefined) return { delivery: 'left_out', reason: conversion.failure, conversion };
  return { delivery: track === undefined ? 'pending' : 'converted', codec: conversion.to, conversion };
}

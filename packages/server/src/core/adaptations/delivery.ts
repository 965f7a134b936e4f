import type { Track } from '@sluice/media';
import type { DeliveryFacts } from '../explain.ts';
import { type Acceptance, wants } from './acceptance.ts';
import type { Adaptations, AdaptedStream } from './adaptations.ts';

/** In what form a viewer that takes `acceptance` gets that kind of media of the stream that it was lent. */
export function deliveryOf(
  kind: Track['kind'],
  viewer: { readonly adapted: Pick<AdaptedStream, 'stream' | 'source' | 'leftOut'>; readonly acceptance: Acceptance },
  adaptations: Adaptations,
): DeliveryFacts {
  const { adapted, acceptance } = viewer;
  const { source, stream, leftOut } = adapted;
  const sent = source.state[kind];
  if (!wants(acceptance, kind)) return { delivery: 'absent', reason: 'the viewer does not want it' };
  if (sent === undefined) return { delivery: 'absent' };
  const reason = leftOut[kind];
  if (reason !== undefined) return { delivery: 'left_out', reason };
  if (stream === source) return { delivery: 'as_is', codec: sent.codec };
  const track = stream.state[kind];
  // What goes through is the very same track, also where a conversion would make the same codec of it.
  if (track === sent) return { delivery: 'as_is', codec: sent.codec };
  const to = track?.codec ?? (kind === 'video' ? acceptance.videoTarget : acceptance.audioTarget);
  const conversion = adaptations.conversionsOf(source).find((one) => one.kind === kind && one.to === to);
  if (conversion?.failure !== undefined) return { delivery: 'left_out', reason: conversion.failure, conversion };
  if (conversion === undefined && track?.codec === sent.codec) return { delivery: 'as_is', codec: sent.codec };
  return { delivery: track === undefined ? 'pending' : 'converted', codec: to, conversion };
}

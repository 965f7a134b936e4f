import type { Script } from './scripted-publisher.ts';

export interface LossyNetwork {
  readonly seed: number;
  /** One way, milliseconds. */
  readonly oneWayMs: number;
  /** Share of the packets that get lost, in each direction and of every kind. */
  readonly loss: number;
  /** How many packets are lost in a row on average; 1 by default, each for itself. */
  readonly burst?: number;
  /** Share of the packets that come up to so much later than others, or twice. */
  readonly late?: { readonly share: number; readonly byMs: number };
  readonly twice?: number;
}

/** A network that loses, delays and doubles packets of both directions, the same for a seed. */
export function lossyNetwork(network: LossyNetwork): Pick<Script, 'delay' | 'rtcpDelay' | 'resendIntervalMs'> {
  const { seed, oneWayMs, burst = 1, late, twice = 0 } = network;
  const random = randomOf(seed);
  const lost = { towards: losses(network, random), back: losses({ ...network, burst }, random) };
  const wayMs = (): number => oneWayMs + (late !== undefined && random() < late.share ? random() * late.byMs : 0);
  return {
    delay: () => {
      if (lost.towards()) return undefined;
      return random() < twice ? [wayMs(), wayMs()] : wayMs();
    },
    rtcpDelay: () => (lost.back() ? undefined : wayMs()),
    resendIntervalMs: 2 * oneWayMs,
  };
}

/** Losses in bursts (Gilbert): a chance to begin one, and one to end it. */
function losses({ loss, burst = 1 }: LossyNetwork, random: () => number): () => boolean {
  const end = 1 / burst;
  const begin = (loss * end) / (1 - loss);
  let losing = false;
  return () => {
    losing = burst === 1 ? random() < loss : losing ? random() >= end : random() < begin;
    return losing;
  };
}

/** Pseudo random numbers from 0 to below 1, the same for a seed (a linear congruential generator, Numerical Recipes). */
function randomOf(seed: number): () => number {
  let state = seed >>> 0;
  const next = (): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
  for (let i = 0; i < 8; i++) next();
  return next;
}

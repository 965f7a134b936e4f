import { sameParameters } from '../../codec/h264.ts';

/** Remembers the parameters that were given, so that each change is told once. */
export class NewParameters {
  #given: readonly Uint8Array[];

  constructor(given: readonly Uint8Array[]) {
    this.#given = given;
  }

  /** A copy of these parameters when they are others than the ones given before, else undefined. */
  take(parameters: readonly Uint8Array[]): Uint8Array[] | undefined {
    if (sameParameters(this.#given, parameters)) return undefined;
    const copy = parameters.map((unit) => new Uint8Array(unit));
    this.#given = copy;
    return [...copy];
  }
}

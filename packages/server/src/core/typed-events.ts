/** A typed map of events for people, never for packets. A listener that throws can't hurt the emitter or the others. */
export class TypedEvents<Events extends { [K in keyof Events]: readonly unknown[] }> {
  readonly #listeners: { [K in keyof Events]?: ReadonlySet<(...args: Events[K]) => void> } = {};

  /** Registers a listener; dispose of the result to remove it. */
  on<K extends keyof Events>(event: K, listener: (...args: Events[K]) => void): Disposable {
    this.#listeners[event] = new Set(this.#listeners[event]).add(listener);
    return {
      [Symbol.dispose]: () => {
        const rest = new Set(this.#listeners[event]);
        rest.delete(listener);
        this.#listeners[event] = rest;
      },
    };
  }

  emit<K extends keyof Events>(event: K, ...args: Events[K]): void {
    for (const listener of this.#listeners[event] ?? []) {
      try {
        listener(...args);
      } catch (error) {
        queueMicrotask(() => process.emitWarning(`listener of "${String(event)}" threw: ${String(error)}`));
      }
    }
  }
}

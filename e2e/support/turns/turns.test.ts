import { afterEach, describe, expect, it } from 'vitest';
import { serveTurns, Turns, takeTurn } from './turns.ts';

/** Asks for turns, and keeps who has got one. */
class Askers {
  readonly got: string[] = [];
  readonly #turns: Turns;

  constructor(capacity: number) {
    this.#turns = new Turns(capacity);
  }

  ask(name: string, need: number): () => void {
    return this.#turns.take(need, () => this.got.push(name));
  }
}

describe('turns', () => {
  it('come at once while there is room, and in order when some is given back', () => {
    const askers = new Askers(1.7);
    const endFirst = askers.ask('first', 0.8);
    askers.ask('second', 0.9);
    askers.ask('third', 0.8);
    askers.ask('fourth', 0.8);
    expect(askers.got).toEqual(['first', 'second']);
    endFirst();
    expect(askers.got).toEqual(['first', 'second', 'third']);
  });

  it('go to who can do with what is left over', () => {
    const askers = new Askers(1.7);
    askers.ask('large', 1);
    askers.ask('larger', 1.2);
    askers.ask('small', 0.7);
    expect(askers.got).toEqual(['large', 'small']);
  });

  it('are given to who needs more than there is, when nobody else has one', () => {
    const askers = new Askers(1.7);
    const end = askers.ask('small', 0.1);
    askers.ask('huge', 5);
    expect(askers.got).toEqual(['small']);
    end();
    expect(askers.got).toEqual(['small', 'huge']);
  });

  it('are not kept for who no longer waits, and given back once', () => {
    const askers = new Askers(1);
    const end = askers.ask('first', 1);
    const endSecond = askers.ask('second', 1);
    askers.ask('third', 1);
    askers.ask('fourth', 1);
    endSecond();
    endSecond();
    end();
    end();
    expect(askers.got).toEqual(['first', 'third']);
  });
});

describe('turns of other processes', () => {
  const closing: { close(): void }[] = [];

  afterEach(() => {
    for (const one of closing.splice(0)) one.close();
  });

  it('end with the connection', async () => {
    const server = await serveTurns(1);
    closing.push(server);
    const end = await takeTurn(server.port, 1);
    let isSecond = false;
    const second = takeTurn(server.port, 1).then((endSecond) => {
      isSecond = true;
      return endSecond;
    });
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(isSecond).toBe(false);
    end();
    (await second)();
    expect(isSecond).toBe(true);
  });
});

import { afterEach, describe, expect, it, vi } from 'vitest';
import type { SrtEvents, SrtOpen, SrtTransport } from '../../../core/index.ts';
import { testHub } from '../../../core/testing/hub.ts';
import { Ticker } from '../../../io/index.ts';
import { Cookies } from './cookies.ts';
import type { Admission, SrtGuest } from './flow.ts';
import { type DecideCaller, type SrtCaller, SrtGate, type SrtGateOptions } from './gate.ts';
import { callerExtensions, handshakeOf, RawCaller } from './testing/raw-caller.ts';
import { REFUSAL } from './wire/handshake.ts';

const WAIT = { timeout: 10_000, interval: 10 };

/** A library that only keeps what it was asked for. */
class IdleTransport implements SrtTransport {
  readonly opened: { readonly options: SrtOpen; readonly events: SrtEvents; closed: boolean }[] = [];

  open(options: SrtOpen, events: SrtEvents) {
    const entry = { options, events, closed: false };
    this.opened.push(entry);
    const close = () => {
      entry.closed = true;
    };
    return { write: () => true, queuedBytes: 0, close };
  }
}

class Guest implements SrtGuest {
  readonly closes: string[] = [];
  enter(): void {}
  onConnected(): void {}
  onData(): void {}
  onWritable(): void {}
  onClosed(reason: string): void {
    this.closes.push(reason);
  }
}

const srt = new IdleTransport();
const hub = testHub();
const callers: RawCaller[] = [];
let gate: SrtGate;
let asked: { readonly caller: SrtCaller; readonly gone: AbortSignal; answer(admission: Admission): void }[] = [];

afterEach(async () => {
  for (const caller of callers.splice(0)) caller.close();
  await gate.close();
  expect(gate.callers).toBe(0);
  expect(srt.opened.every(({ closed }) => closed)).toBe(true);
  srt.opened.length = 0;
  hub.counters.values.clear();
});

/** A gate; without `decide` callers wait for the test's own answer. */
async function start(options: Partial<SrtGateOptions> = {}, decide?: DecideCaller): Promise<void> {
  asked = [];
  const ask: DecideCaller = (caller, gone) =>
    new Promise((answer) => {
      asked.push({ caller, gone, answer });
    });
  const defaults = { address: '127.0.0.1', port: 0, latencyMs: 120, maxCallers: 1000 };
  gate = new SrtGate({ ...hub, srt, ticker: new Ticker() }, { ...defaults, ...options }, decide ?? ask);
  await gate.start();
}

async function caller(): Promise<RawCaller> {
  const made = await RawCaller.to(gate.port);
  callers.push(made);
  return made;
}

async function cookieOf(from: RawCaller): Promise<number> {
  const before = from.handshakes.length;
  from.induce();
  await vi.waitFor(() => expect(from.handshakes.length).toBeGreaterThan(before), WAIT);
  return from.handshakes.at(-1)?.cookie ?? 0;
}

/** A caller that has concluded, and was asked about. */
async function concluded(streamId = 'publish:cam'): Promise<RawCaller> {
  const made = await caller();
  made.conclude(await cookieOf(made), streamId);
  return made;
}

/** Its reason for refusing, once it is there. */
async function reasonFor(from: RawCaller): Promise<number | undefined> {
  await vi.waitFor(() => expect(from.handshakes.at(-1)?.type).toBe('refusal'), WAIT);
  return from.handshakes.at(-1)?.reason;
}

describe('the gate of SRT', () => {
  it('keeps nothing of callers that only begin, however many', async () => {
    await start();
    const flood = await Promise.all(Array.from({ length: 20 }, caller));
    for (let round = 0; round < 50; round++) {
      for (const from of flood) from.induce(round);
      await vi.waitFor(() => expect(flood.every(({ received }) => received.length === round + 1)).toBe(true), WAIT);
    }
    expect([gate.callers, asked.length, srt.opened.length]).toEqual([0, 0, 0]);
    expect(flood.every(({ received }) => received.every((answer) => answer.length === 64))).toBe(true);
  });

  it('passes over conclusions without a cookie that was given to that very address', async () => {
    await start();
    const [one, other] = [await caller(), await caller()];
    const cookie = await cookieOf(one);
    other.conclude(cookie, 'publish:cam');
    other.conclude(0, 'publish:cam');
    other.send(Buffer.alloc(1316, 0x47));
    // What comes after it has been handled when this is answered.
    await cookieOf(other);
    expect([gate.callers, asked.length]).toEqual([0, 0]);
    one.conclude(cookie, 'publish:cam');
    await vi.waitFor(() => expect(asked).toHaveLength(1), WAIT);
    expect(asked[0]?.caller).toMatchObject({ remoteAddress: '127.0.0.1', streamId: 'publish:cam' });
  });

  it('asks once about a caller that repeats itself, and repeats a refusal', async () => {
    await start();
    const from = await concluded();
    const cookie = await cookieOf(from);
    from.conclude(cookie, 'publish:cam');
    await vi.waitFor(() => expect(asked).toHaveLength(1), WAIT);
    asked[0]?.answer({ refusal: REFUSAL.conflict, message: 'taken' });
    expect(await reasonFor(from)).toBe(1409);
    const heard = from.received.length;
    from.conclude(cookie, 'publish:cam');
    await vi.waitFor(() => expect(from.received.length).toBeGreaterThan(heard), WAIT);
    expect([asked.length, srt.opened.length, hub.counters.of('srt_refused')]).toEqual([1, 0, 1]);
  });

  it('lets sixteen callers of one address wait at once, and the next ones when those are decided about', async () => {
    await start();
    const all = await Promise.all(Array.from({ length: 18 }, () => concluded()));
    await vi.waitFor(() => expect(asked).toHaveLength(16), WAIT);
    await Promise.all(all.map((from) => cookieOf(from)));
    expect([asked.length, gate.callers]).toEqual([16, 16]);
    asked[0]?.answer({ refusal: REFUSAL.forbidden, message: 'no' });
    await vi.waitFor(async () => {
      for (const from of all) from.conclude(await cookieOf(from), 'publish:cam');
      expect(asked).toHaveLength(17);
    }, WAIT);
  });

  it('refuses callers beyond the limit', async () => {
    await start({ maxCallers: 1 });
    await concluded();
    await vi.waitFor(() => expect(asked).toHaveLength(1), WAIT);
    expect(await reasonFor(await concluded())).toBe(1402);
  });

  it('lets callers in the place of those that it has refused', async () => {
    await start({ maxCallers: 2 }, async () => ({ refusal: REFUSAL.forbidden, message: 'no' }));
    for (let count = 0; count < 4; count++) expect(await reasonFor(await concluded())).toBe(1403);
    expect(gate.callers).toBe(2);
  });

  it.each([
    ['of the time before SRT', { version: 4 }],
    ['without extensions', { extensions: Buffer.alloc(0) }],
  ])('refuses callers %s', async (_what, more) => {
    await start();
    const from = await caller();
    const cookie = await cookieOf(from);
    from.send(handshakeOf({ type: -1, cookie, extensions: callerExtensions('publish:cam'), ...more }));
    expect(await reasonFor(from)).toBe(1400);
    expect(asked).toEqual([]);
  });

  it('takes an encoder that began anew at the same port for another caller, the old one is gone', async () => {
    await start();
    const from = await concluded();
    await vi.waitFor(() => expect(asked).toHaveLength(1), WAIT);
    const guest = new Guest();
    asked[0]?.answer({ direction: 'receive', guest });
    await vi.waitFor(() => expect(srt.opened).toHaveLength(1), WAIT);
    expect(srt.opened[0]?.options).toMatchObject({ mode: 'listener', address: '127.0.0.1', direction: 'receive' });
    const cookie = await cookieOf(from);
    from.send(handshakeOf({ type: -1, socketId: 78, cookie, extensions: callerExtensions('publish:cam') }));
    await vi.waitFor(() => expect(asked).toHaveLength(2), WAIT);
    expect([guest.closes.length, srt.opened[0]?.closed, gate.callers]).toEqual([1, true, 1]);
  });

  it('tells who decides when the caller is gone by then, and who was admitted in vain', async () => {
    await start();
    await concluded();
    await vi.waitFor(() => expect(asked).toHaveLength(1), WAIT);
    await gate.close();
    expect(asked[0]?.gone.aborted).toBe(true);
    const guest = new Guest();
    asked[0]?.answer({ direction: 'receive', guest });
    await vi.waitFor(() => expect(guest.closes).toHaveLength(1), WAIT);
    expect(srt.opened).toEqual([]);
  });

  it('tries another port when the one that it found free is taken by then', async () => {
    await start();
    const from = await concluded();
    await vi.waitFor(() => expect(asked).toHaveLength(1), WAIT);
    const guest = new Guest();
    asked[0]?.answer({ direction: 'send', guest });
    for (let tried = 1; tried <= 3; tried++) {
      await vi.waitFor(() => expect(srt.opened).toHaveLength(tried), WAIT);
      const last = srt.opened.at(-1);
      if (last !== undefined) last.closed = true;
      last?.events.onClosed('SRT can not listen there', 'failed');
    }
    await vi.waitFor(() => expect(guest.closes).toEqual(['SRT can not listen there']), WAIT);
    expect(await reasonFor(from)).toBe(1500);
  });
});

describe('cookies', () => {
  it('are good for a minute or two, for one caller', () => {
    const cookies = new Cookies();
    const cookie = cookies.give('192.0.2.1:5', 59_000);
    expect(cookies.isGood(cookie, '192.0.2.1:5', 119_000)).toBe(true);
    expect(cookies.isGood(cookie, '192.0.2.1:5', 120_000)).toBe(false);
    expect(cookies.isGood(cookie, '192.0.2.1:6', 59_000)).toBe(false);
    expect(new Cookies().isGood(cookie, '192.0.2.1:5', 59_000)).toBe(false);
  });
});

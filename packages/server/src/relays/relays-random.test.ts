import { getEventListeners } from 'node:events';
import { setImmediate as turn } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { prng } from '../../../media/src/testing/mutate.ts';
import { findStream, MediaServerError, type RelayEndCode, type RelayState, type Stream } from '../core/index.ts';
import { H264, packet } from '../core/testing/adaptation-fixture.ts';
import { RelayRig } from './testing/relay-rig.ts';
import type { ScriptedLink } from './testing/scripted-protocol.ts';

const ENDS: readonly RelayEndCode[] = ['ended', 'unreachable', 'refused', 'not_found', 'invalid', 'stalled', 'closed'];
const RETRY = { enabled: true, maxAttempts: 4, minMs: 1, maxMs: 3 };
const timers = (): number => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;

/** One run of everything that may happen to relays, in an order and at times that the seed decides. */
class Chaos {
  readonly rig: RelayRig;
  readonly random: () => number;
  readonly signal = new AbortController();
  readonly viewers = new Set<Stream>();
  /** All that there have been. */
  readonly streams = new Set<Stream>();
  readonly problems: string[] = [];
  readonly #pending = new Set<Promise<unknown>>();
  readonly #seen = new Map<string, RelayState>();

  constructor(seed: number) {
    this.random = prng(seed);
    const graceMs = seed % 2 === 0 ? 0 : 5;
    this.rig = new RelayRig({ retry: RETRY, rtmpPushRetry: RETRY, byNameIdleTimeoutMs: 20, maxRelays: 12 }, graceMs);
    this.rig.hub.streams.events.on('published', (stream) => this.streams.add(stream));
    for (const protocol of this.rig.protocols) protocol.script = (link) => void this.#live(link);
  }

  below(limit: number): number {
    return Math.floor(this.random() * limit);
  }

  /** The life of a connection. */
  async #live(link: ScriptedLink): Promise<void> {
    const { attempt } = link;
    const steps = [
      () => attempt.events.onConnected(),
      () => attempt.events.onMedia(),
      () => {
        if ('stream' in attempt)
          attempt.stream.publish(packet(H264, attempt.stream.lastDtsUs / 1000 + 40, { key: true }));
      },
      () => attempt.events.onNote(`note ${this.below(40)}`),
      () => {
        link.numbers = { bytesIn: this.below(1000), drops: { slow_viewer: this.below(3) } };
      },
    ];
    const length = this.below(steps.length + 3);
    for (let i = 0; i < length && !link.over; i++) {
      await this.#wait();
      // Also after its end: drivers are not to be trusted with that.
      steps[i % steps.length]?.();
    }
    await this.#wait();
    link.end(ENDS[this.below(ENDS.length)] ?? 'ended');
    attempt.events.onConnected();
    attempt.events.onMedia();
  }

  async #wait(): Promise<void> {
    for (let turns = this.below(4); turns > 0; turns--) await turn();
    if (this.random() < 0.3) await new Promise((resolve) => setTimeout(resolve, this.below(6)));
  }

  step(): void {
    const { relays, hub } = this.rig;
    const name = `s${this.below(4)}`;
    const camera = `rtsp://camera.example/${this.below(4)}`;
    switch (this.below(9)) {
      case 0:
        return this.#may(relays.pull({ url: camera, streamName: name }));
      case 1:
        return this.#may(relays.push({ streamName: name, url: `rtmp://camera.example/${this.below(3)}` }));
      case 2:
        return this.#may(this.#view(camera));
      case 3:
        return this.#publish(name);
      case 4:
        return this.rig.unpublish(name);
      case 5:
        for (const viewer of this.viewers) viewer.addViewers(-1);
        this.viewers.clear();
        return;
      case 6:
        relays.end((relay) => relay.streamName === name || relay.url === camera, 'enough');
        return;
      case 7:
        for (const session of hub.sessions.all()) if (this.random() < 0.3) session.close('by session');
        return;
      default:
        for (const relay of relays.all())
          if (relay.direction === 'push' && this.random() < 0.5) relays.setMuted(relay.mediaSessionId, true);
    }
  }

  /** Looks whether states follow each other as they should, as far as they were told. */
  check(): void {
    for (const { what, fields } of this.rig.access.calls.splice(0)) {
      if (what !== 'relayed') continue;
      const id = String(fields['mediaSessionId']);
      const state = String(fields['status']).toLowerCase() as RelayState;
      const before = this.#seen.get(id);
      if (before === 'stopped') this.problems.push(`${state} after the end`);
      // One that waits for the connection of the one before it may be ended before it begins.
      if (before === undefined && state !== 'connecting' && state !== 'stopped') this.problems.push(`${state} first`);
      this.#seen.set(id, state);
    }
  }

  get unfinished(): number {
    return [...this.#seen.values()].filter((state) => state !== 'stopped').length;
  }

  get relays(): number {
    return this.#seen.size;
  }

  async finish(): Promise<void> {
    await this.rig.relays.close();
    this.signal.abort();
    await Promise.all(this.#pending);
    for (const viewer of this.viewers) viewer.addViewers(-1);
    await this.rig.close();
    this.check();
  }

  #publish(name: string): void {
    if (this.rig.hub.streams.get(name)?.live !== true) this.rig.publish(name);
  }

  async #view(url: string): Promise<void> {
    const { streams } = this.rig.hub;
    const search = AbortSignal.any([this.signal.signal, AbortSignal.timeout(1 + this.below(20))]);
    const found = await findStream({ streams, resolvers: this.rig.resolvers }, url, { waitMs: 0, signal: search });
    if (getEventListeners(search, 'abort').length > 0) this.problems.push('a listener is left');
    if (found === undefined || found.ended || this.viewers.has(found)) return;
    this.viewers.add(found);
    found.addViewers(1);
  }

  /** It may be refused, in the words of the server. */
  #may(what: Promise<unknown>): void {
    const done = what.catch((error: unknown) => {
      if (!(error instanceof MediaServerError)) this.problems.push(String(error));
    });
    this.#pending.add(done);
    void done.finally(() => this.#pending.delete(done));
  }
}

it('relays that begin, fail and end at random leave nothing behind', async () => {
  let relays = 0;
  const timersBefore = timers();
  for (let seed = 1; seed <= 12; seed++) {
    const chaos = new Chaos(seed);
    for (let step = 0; step < 150; step++) {
      chaos.step();
      if (step % 3 === 0) await turn();
      if (step % 10 === 0) await new Promise((resolve) => setTimeout(resolve, 2));
      chaos.check();
    }
    await chaos.finish();
    expect(chaos.problems, `seed ${seed}`).toEqual([]);
    expect(chaos.unfinished, `seed ${seed}`).toBe(0);
    for (const stream of chaos.streams) expect([stream.viewers, stream.readerCount]).toEqual([0, 0]);
    await expect.poll(timers, { message: `seed ${seed}` }).toBe(timersBefore);
    relays += chaos.relays;
  }
  expect(relays).toBeGreaterThan(200);
}, 60_000);

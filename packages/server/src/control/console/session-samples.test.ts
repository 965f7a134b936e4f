import { afterEach, beforeEach, expect, it } from 'vitest';
import type { SessionDescription } from '../../core/index.ts';
import { ControlFixture } from '../testing/control-fixture.ts';
import { describeAll, SessionSamples } from './session-samples.ts';

let fixture: ControlFixture;

beforeEach(() => {
  fixture = new ControlFixture();
});

afterEach(() => fixture.close());

/** Registers a session whose description the test changes. */
function add(mediaSessionId: string): { -readonly [K in keyof SessionDescription]: SessionDescription[K] } {
  return fixture.addSession('room', { mediaSessionId });
}

it('samples of sessions tell what each second brought', () => {
  const samples = new SessionSamples();
  const description = add('one');
  const session = fixture.sessions.get('one');
  if (session === undefined) throw new Error('no session');
  samples.sample(1000, 1000, describeAll(fixture.sessions));
  Object.assign(description, {
    bytesIn: 125,
    bytesOut: 250,
    drops: { slow_viewer: 3, not_carried: 9 },
    lostPackets: 6,
    queuedBytes: 8,
  });
  expect(samples.sample(2000, 2000, describeAll(fixture.sessions))).toEqual({ bitsIn: 1000, bitsOut: 2000 });
  Object.assign(description, { bytesIn: 375, drops: { slow_viewer: 4 } });
  samples.sample(4000, 4000, describeAll(fixture.sessions));
  expect(samples.historyOf(session)?.since(0)).toMatchObject({
    timesMs: [2000, 4000],
    bitsInPerSecond: [1000, 1000],
    bitsOutPerSecond: [2000, 0],
    drops: [3, 1],
    lost: [6, 0],
    queuedBytes: [8, 8],
  });
  expect(samples.ratesOf(session)).toMatchObject({ bitrateIn: 1000, bitrateOut: 1000 });
});

it('samples of sessions forget those that are over, and keep no more histories than allowed', () => {
  const samples = new SessionSamples(1);
  add('one');
  add('two');
  const [one, two] = [...fixture.sessions.all()];
  if (one === undefined || two === undefined) throw new Error('no sessions');
  samples.sample(1000, 1000, describeAll(fixture.sessions));
  expect([samples.size, samples.historyOf(one) !== undefined, samples.historyOf(two)]).toEqual([2, true, undefined]);
  one.close('test');
  two.close('test');
  add('three');
  samples.sample(2000, 2000, describeAll(fixture.sessions));
  expect([samples.size, samples.historyOf(one)]).toEqual([1, undefined]);
  add('four');
  samples.sample(3000, 3000, describeAll(fixture.sessions));
  // The one that began when there were none any more has not got one; those that begin later have.
  expect([...fixture.sessions.all()].map((session) => samples.historyOf(session) !== undefined)).toEqual([false, true]);
});

import { expect, test } from 'vitest';
import { prng } from '../../../../../media/src/testing/mutate.ts';
import { namedPacket, SimulcastPublisher } from '../testing/simulcast-publisher.ts';

const SLICE = new Uint8Array(900).fill(0x41);

test('hundreds of names and sources that were not agreed on are counted and change nothing', () => {
  const random = prng(11);
  const publisher = new SimulcastPublisher().run(3000);
  const before = publisher.media.stats();
  for (let i = 0; i < 3000; i++) {
    const rid = ['x', 'f', '', 'q'.repeat(1 + Math.floor(random() * 200)), `r${i}`][i % 5] ?? '';
    const ssrc = Math.floor(random() * 2 ** 32);
    publisher.inject(namedPacket({ ssrc, sequence: i, payload: SLICE, ...(rid !== '' && { rid }) }));
    if (i % 10 === 0) publisher.run(10);
  }
  const after = publisher.media.stats();
  expect(publisher.stream.layers).toHaveLength(3);
  expect(after.tracks.map(({ ssrc }) => ssrc)).toEqual(before.tracks.map(({ ssrc }) => ssrc));
  expect(after.drops.not_carried).toBe(3000);
  expect(publisher.size()).toBe('640x480');
});

test('a source stays what it was first, whatever its packets say later', () => {
  const publisher = new SimulcastPublisher().run(3000);
  const { ssrc } = publisher.sending('q');
  const { packets } = publisher.media.stats().tracks[2] ?? expect.fail();
  publisher.sending('f').sends = false;
  publisher.sending('q').sends = false;
  for (let i = 0; i < 50; i++)
    publisher.inject(
      namedPacket({ ssrc, rid: 'f', sequence: (publisher.sending('q').sequence + i) & 0xffff, payload: SLICE }),
    );
  expect(publisher.media.stats().tracks[2]?.packets).toBe(packets);
  expect(publisher.media.stats().tracks[0]?.ssrc).toBe(ssrc);
});

test('another source takes a name over when the first is silent', () => {
  const publisher = new SimulcastPublisher().run(3000);
  publisher.sending('f').sends = false;
  publisher.run(1000);
  for (let i = 0; i < 3; i++) publisher.inject(namedPacket({ ssrc: 0x9999, rid: 'f', sequence: i, payload: SLICE }));
  expect(publisher.media.stats().tracks[2]?.ssrc).toBe(0x9999);
});

test('of more encodings than four the others are not received', () => {
  const layers = ['a', 'b', 'c', 'd', 'e', 'g'].map((rid) => ({ rid }));
  const publisher = new SimulcastPublisher({ layers }).run(1000);
  expect(publisher.stream.layers.map(({ rid }) => rid).toSorted((a, b) => a.localeCompare(b))).toEqual([
    'a',
    'b',
    'c',
    'd',
  ]);
  expect(publisher.media.stats().drops.not_carried).toBeGreaterThan(0);
});

test('a layer that never comes holds nothing up', () => {
  const publisher = new SimulcastPublisher({ layers: [{}, {}, { sends: false }] }).run(4000);
  expect(publisher.size()).toBe('320x240');
  expect(publisher.layer('f')).toMatchObject({
    active: false,
    bitrateBps: 0,
    expectedBps: undefined,
    width: undefined,
  });
  expect(publisher.stream.layers.at(-1)?.rid).toBe('f');
});

test('where nothing whole comes of the best layer, the next one is taken', () => {
  const publisher = new SimulcastPublisher().run(4000);
  expect(publisher.size()).toBe('640x480');
  const { ssrc } = publisher.sending('f');
  publisher.sending('f').sends = false;
  let { sequence } = publisher.sending('f');
  for (let i = 0; i < 180; i++) {
    // Fragments without their beginning.
    for (let j = 0; j < 2; j++)
      publisher.inject(
        namedPacket({ ssrc, sequence: sequence++ & 0xffff, payload: Uint8Array.of(0x7c, 0x01, 1, 2, 3) }),
      );
    publisher.run(33);
  }
  expect(publisher.size()).toBe('320x240');
  expect(publisher.got('pli').length).toBeLessThan(12);
});

test('packets at random on all layers cost a bounded amount', () => {
  const random = prng(5);
  const publisher = new SimulcastPublisher().run(2000);
  for (const layer of publisher.layers) layer.sends = false;
  const before = publisher.rtcp.length;
  for (let i = 0; i < 6000; i++) {
    const { ssrc, rid } = publisher.layers[i % 3] ?? expect.fail();
    const payload = new Uint8Array(Math.floor(random() * 60)).map(() => Math.floor(random() * 256));
    publisher.inject(namedPacket({ ssrc, rid, sequence: Math.floor(random() * 65_536), payload }));
    if (i % 20 === 0) publisher.run(10);
  }
  expect(publisher.rtcp.length - before).toBeLessThan(400);
  expect(publisher.media.stats().queuedBytes).toBeLessThan(1_000_000);
});

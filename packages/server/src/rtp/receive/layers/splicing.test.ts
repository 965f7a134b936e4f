import { expect, test } from 'vitest';
import { RtpLane, type RtpLanePacket, VIDEO_LANE } from '../../../core/index.ts';
import { SimulcastPublisher } from '../testing/simulcast-publisher.ts';
import { IdleGate } from './idle-gate.ts';
import { MainLane } from './main-lane.ts';
import { ReceivedLayer } from './received-layer.ts';

const FORMAT = { track: { id: 0, kind: 'video', codec: 'vp8', clockRate: 90_000, parameters: [] } } as const;

function packet(fields: Partial<RtpLanePacket> & Pick<RtpLanePacket, 'sequence' | 'timestamp'>): RtpLanePacket {
  const ptsUs = Math.round(fields.timestamp / 0.09);
  return { format: FORMAT, ptsUs, marker: false, startPoint: false, payload: Uint8Array.of(1), ...fields };
}

function layerOf(rid: string): ReceivedLayer {
  return new ReceivedLayer({ rid, offered: 0, nowMs: () => 0, bitsPerSecond: () => 0, requestKeyFrame: () => {} });
}

test('another layer takes over behind the last packet of a frame, with all of its key frame that has come until then', () => {
  const lane = new RtpLane(VIDEO_LANE);
  const taken: string[] = [];
  lane.attach(({ sequence, timestamp, marker }) => taken.push(`${sequence} ${timestamp}${marker ? ' end' : ''}`));
  const main = new MainLane(lane, 90_000);
  const [small, large] = [layerOf('q'), layerOf('f')];
  const send = (layer: ReceivedLayer, wanted: ReceivedLayer, one: RtpLanePacket): void => {
    layer.packet(one);
    main.packet(layer, one, wanted);
  };
  send(small, small, packet({ sequence: 0, timestamp: 1000, startPoint: true, marker: true }));
  send(small, large, packet({ sequence: 1, timestamp: 4000 }));
  send(large, large, packet({ sequence: 70, timestamp: 7000, startPoint: true }));
  send(large, large, packet({ sequence: 71, timestamp: 7000 }));
  expect(main.current).toBe(small);
  send(small, large, packet({ sequence: 3, timestamp: 4000, marker: true }));
  expect(main.current).toBe(large);
  send(small, large, packet({ sequence: 4, timestamp: 7000, marker: true }));
  send(large, large, packet({ sequence: 72, timestamp: 7000, marker: true }));
  // It was missing when the other layer took over.
  send(small, large, packet({ sequence: 2, timestamp: 4000 }));
  expect(taken).toEqual(['0 1000 end', '1 4000', '3 4000 end', '4 7000', '5 7000', '6 7000 end', '2 4000']);
});

test('a frame that does not end is waited for until the next tick', () => {
  const lane = new RtpLane(VIDEO_LANE);
  const main = new MainLane(lane, 90_000);
  const [small, large] = [layerOf('q'), layerOf('f')];
  const first = packet({ sequence: 0, timestamp: 1000, startPoint: true });
  small.packet(first);
  main.packet(small, first, small);
  const other = packet({ sequence: 9, timestamp: 900, startPoint: true, marker: true });
  large.packet(other);
  main.packet(large, other, large);
  expect(main.current).toBe(small);
  main.takeOver();
  expect(main.current).toBe(large);
  // Its time is not before the other's: timestamps go on all the same.
  expect(lane.at(1)?.timestamp).toBe(1090);
});

test('of an idle layer key frames are let through as if nothing were missing before them, and gaps are told once it is needed', () => {
  const through: string[] = [];
  let needed = false;
  const units = {
    packet: ({ sequence }: RtpLanePacket, lost: boolean) => void through.push(`${sequence}${lost ? ' gap' : ''}`),
  };
  const gate = new IdleGate(units, () => needed);
  gate.packet(packet({ sequence: 1, timestamp: 10 }), false);
  gate.packet(packet({ sequence: 2, timestamp: 20, startPoint: true }), false);
  gate.packet(packet({ sequence: 3, timestamp: 20, marker: true }), false);
  gate.packet(packet({ sequence: 4, timestamp: 30, marker: true }), false);
  gate.packet(packet({ sequence: 5, timestamp: 40, startPoint: true }), false);
  // Its end is lost.
  gate.packet(packet({ sequence: 7, timestamp: 50, marker: true }), true);
  gate.packet(packet({ sequence: 8, timestamp: 60, startPoint: true, marker: true }), false);
  gate.packet(packet({ sequence: 9, timestamp: 70, marker: true }), false);
  needed = true;
  gate.packet(packet({ sequence: 10, timestamp: 80, marker: true }), false);
  gate.packet(packet({ sequence: 11, timestamp: 90, marker: true }), false);
  expect(through).toEqual(['2', '3', '5', '8 gap', '10 gap', '11']);
});

test('sender reports put layers on one timeline that take differently long to come', () => {
  const publisher = new SimulcastPublisher({ delay: (rid) => (rid === 'f' ? 110 : 10) }).run(4000);
  const starts = publisher.layers.map(({ rid, timestampBy }) => {
    const { lane } = publisher.layer(rid);
    const newest = lane.at(lane.end - 1) ?? expect.fail();
    return newest.ptsUs - ((newest.timestamp - timestampBy) % 2 ** 32) / 0.09;
  });
  expect(Math.max(...starts) - Math.min(...starts)).toBeLessThan(2000);
});

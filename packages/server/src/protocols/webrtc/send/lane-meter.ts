import type { RtpLane } from '../../../core/index.ts';
import { PictureMeter } from './picture-meter.ts';

/** Meters of lanes that somebody watches: one a lane, however many do. */
const METERS = new WeakMap<RtpLane, MeteredLane>();

interface MeteredLane {
  readonly meter: PictureMeter;
  readonly attached: Disposable;
  users: number;
}

/** A share in the meter of a lane; dispose of it when it is not needed any more. */
export interface LaneMeterLease extends Disposable {
  readonly meter: PictureMeter;
}

/** What the picture of a lane takes, measured once for all who follow it, from the first of them on. */
export function leaseMeter(lane: RtpLane): LaneMeterLease {
  const entry = METERS.get(lane) ?? open(lane);
  entry.users++;
  let released = false;
  return {
    meter: entry.meter,
    [Symbol.dispose]: () => {
      if (released) return;
      released = true;
      if (--entry.users > 0) return;
      entry.attached[Symbol.dispose]();
      METERS.delete(lane);
    },
  };
}

function open(lane: RtpLane): MeteredLane {
  const meter = new PictureMeter();
  let { epoch } = lane;
  const attached = lane.attach((packet) => {
    if (lane.epoch !== epoch) meter.reset();
    epoch = lane.epoch;
    if (packet.format.track.kind === 'video') meter.add(packet, performance.now());
  });
  const entry = { meter, attached, users: 0 };
  METERS.set(lane, entry);
  return entry;
}

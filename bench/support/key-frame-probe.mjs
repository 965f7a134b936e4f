// Loaded into a server with --import: how long JavaScript was held up by each key frame that it handed to the media port, from
// its first packet to the return of the call that hands it over, all turns added up. Written at the end, milliseconds, as JSON to
// the file that the variable KEY_FRAME_TIMES names.
import { writeFileSync } from 'node:fs';
import { LaneBatch } from '../../packages/native/dist/index.js';

const MOST = 10_000;
const took = [];
/** By batch: since when it is being filled, and whether with packets of a key frame. */
const filling = new WeakMap();
/** By batch, which is that of one track: what the key frame took so far, until its last packet. */
const frames = new WeakMap();
const { add, clear } = LaneBatch.prototype;

LaneBatch.prototype.add = function (packet) {
  if (this.count === 0) filling.set(this, performance.now());
  add.call(this, packet);
  if (packet.format.track.kind !== 'video') return;
  if (packet.startPoint) frames.set(this, { ms: 0, ended: false });
  const frame = frames.get(this);
  if (frame !== undefined && packet.marker) frame.ended = true;
};

LaneBatch.prototype.clear = function () {
  const since = filling.get(this);
  const frame = frames.get(this);
  if (since !== undefined && frame !== undefined && this.count > 0) {
    frame.ms += performance.now() - since;
    if (frame.ended) {
      frames.delete(this);
      if (took.length < MOST) took.push({ at: Date.now(), ms: frame.ms });
    }
  }
  clear.call(this);
};

process.on('exit', () => writeFileSync(process.env['KEY_FRAME_TIMES'], JSON.stringify(took)));

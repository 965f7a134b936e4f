// A process or worker that sends as fast as it can and ends in the midst of it: `exit`, `throw`, or after it has closed
// its port. `life.test.ts` runs it.
import { randomBytes } from 'node:crypto';
import { LaneBatch, openEgress } from '../../dist/index.js';

const way = process.argv.at(-1);
const egress = await openEgress({ address: '127.0.0.1', port: 0, onReceived() {} });
const lane = egress.openLane({ maxPackets: 512, maxBytes: 2_000_000, maxAgeMs: 5000, prompt: false });
for (let i = 0; i < 200; i++) {
  const peer = egress.addPeer({ profile: 'AEAD_AES_128_GCM', send: { key: randomBytes(16), salt: randomBytes(12) } });
  egress.setAddress(peer, '127.0.0.1', egress.port);
  const format = { ssrc: i, payloadType: 96, timestampOffset: 0 };
  egress.follow(peer, { lane, from: 0, number: 0, maxQueueMs: 1000, format });
}
const batch = new LaneBatch();
let sequence = 0;

function push() {
  batch.clear();
  for (let i = 0; i < 25; i++)
    batch.add({
      sequence: sequence++,
      timestamp: sequence,
      marker: i === 24,
      startPoint: i === 0,
      payload: Buffer.alloc(1000),
    });
  egress.push(lane, batch);
}

push();
console.log(`busy with ${egress.implementation}`);
for (let i = 0; i < 5; i++) push();
if (way === 'exit') process.exit(0);
if (way === 'throw') throw new Error('as it was told to');
if (way === 'idle') await egress.close();
else setInterval(push, 5);

// What sending to N WebRTC viewers costs, by the addon with and without GSO and in TypeScript: processor time per packet,
// how long JavaScript is held up by a key frame, and memory per viewer. Datagrams go to addresses of the loopback where
// nobody reads them, so that the figures are those of sending. Compare runs of one machine only.
//
//   npx tsc -b packages/native && node bench/native-egress.mjs [--viewers=50,150,500,1000] [--seconds=5]
//                                 [--by=native,native-single,typescript] [--profile=gcm|cm]
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { fileURLToPath } from 'node:url';

const PAYLOAD_BYTES = 1150;
const FPS = 30;
const KEY_FRAME_PACKETS = 25;
const FRAMES_PER_KEY_FRAME = 60;
/** Of a picture of 1 Mbit/s beside the key frames. */
const FRAME_PACKETS = [4, 3, 4];
const SOUND_MS = 20;
const PACKETS_PER_SECOND = (KEY_FRAME_PACKETS + 59 * (11 / 3)) / 2 + 1000 / SOUND_MS;

const PAYLOAD = randomBytes(PAYLOAD_BYTES);

const option = (name, otherwise) =>
  process.argv.find((word) => word.startsWith(`--${name}=`))?.slice(name.length + 3) ?? otherwise;

async function runAll() {
  const seconds = option('seconds', '5');
  const profile = option('profile', 'gcm');
  console.log('by              viewers  us/packet  viewers/core  pace  push p50  p99   max us  loop p99 ms  KB/viewer');
  for (const by of option('by', 'native,native-single,typescript').split(','))
    for (const viewers of option('viewers', '50,150,500,1000').split(',')) {
      const words = [`--child=${by}`, `--viewers=${viewers}`, `--seconds=${seconds}`, `--profile=${profile}`];
      const env = { ...process.env, ...(by === 'typescript' && { SLUICE_NATIVE: 'off' }) };
      const child = spawn(process.execPath, ['--expose-gc', fileURLToPath(import.meta.url), ...words], {
        stdio: 'inherit',
        env,
      });
      await once(child, 'exit');
    }
}

async function runOne() {
  const { LaneBatch, openEgress } = await import(new URL('../packages/native/dist/index.js', import.meta.url).href);
  const by = option('child');
  const viewers = Number(option('viewers'));
  const seconds = Number(option('seconds'));
  // Bound and never read: when its buffer is full, the system drops what comes.
  const sink = createSocket({ type: 'udp4', recvBufferSize: 4096 });
  sink.bind(0, '0.0.0.0');
  await once(sink, 'listening');
  const egress = await openEgress({ address: '127.0.0.1', port: 0, gso: by !== 'native-single', onReceived() {} });
  const wanted = by === 'typescript' ? 'typescript' : 'native';
  if (egress.implementation !== wanted) throw new Error(`no ${wanted}: ${egress.reason}`);
  const bounds = { maxPackets: 1024, maxBytes: 4_000_000, maxAgeMs: 5000 };
  const picture = egress.openLane({ ...bounds, prompt: false });
  const sound = egress.openLane({ ...bounds, maxPackets: 256, prompt: true });
  globalThis.gc?.();
  const rssBefore = process.memoryUsage.rss();
  for (let i = 0; i < viewers; i++)
    join(egress, { picture, sound, to: `127.${1 + (i >> 8)}.${i & 255}.1`, port: sink.address().port });
  const driver = new Driver(egress, { picture, sound, batch: new LaneBatch() });
  await driver.run(1);
  const packetsBefore = egress.stats().packets;
  driver.pushUs.length = 0;
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  const cpu = process.cpuUsage();
  await driver.run(seconds);
  const used = process.cpuUsage(cpu);
  delay.disable();
  const packets = egress.stats().packets - packetsBefore;
  globalThis.gc?.();
  const rss = process.memoryUsage.rss() - rssBefore;
  const us = (used.user + used.system) / packets;
  const pushes = driver.pushUs.toSorted((a, b) => a - b);
  const at = (share) => pushes[Math.min(pushes.length - 1, Math.floor(pushes.length * share))]?.toFixed(0) ?? '-';
  const cells = [
    by.padEnd(15),
    String(viewers).padStart(7),
    us.toFixed(2).padStart(10),
    String(Math.round(1e6 / (us * PACKETS_PER_SECOND))).padStart(13),
    `${Math.round((100 * packets) / (PACKETS_PER_SECOND * viewers * seconds))} %`.padStart(5),
    at(0.5).padStart(9),
    at(0.99).padStart(5),
    at(1).padStart(7),
    (delay.percentile(99) / 1e6).toFixed(1).padStart(12),
    (rss / 1024 / viewers).toFixed(1).padStart(10),
  ];
  console.log(cells.join(' '));
  await egress.close();
  sink.close();
}

function join(egress, { picture, sound, to, port }) {
  const isGcm = option('profile') !== 'cm';
  const profile = isGcm ? 'AEAD_AES_128_GCM' : 'AES_CM_128_HMAC_SHA1_80';
  const peer = egress.addPeer({ profile, send: { key: randomBytes(16), salt: randomBytes(isGcm ? 12 : 14) } });
  egress.setAddress(peer, to, port);
  const follow = { from: 0, number: 1000, maxQueueMs: 5000 };
  const format = { transportSequenceId: 1, sendTimeId: 2, timestampOffset: 7 };
  egress.follow(peer, { ...follow, lane: picture, format: { ...format, ssrc: 1, payloadType: 96 } });
  egress.follow(peer, { ...follow, lane: sound, format: { ...format, ssrc: 2, payloadType: 111 } });
}

/** Pushes pictures and sound at their times. */
class Driver {
  /** How long each picture took to hand over. */
  pushUs = [];
  #egress;
  #to;
  #sequence = { picture: 0, sound: 0 };
  #frames = 0;

  constructor(egress, to) {
    this.#egress = egress;
    this.#to = to;
  }

  async run(seconds) {
    const start = performance.now();
    let frames = 0;
    let sounds = 0;
    while (frames < seconds * FPS || sounds < (seconds * 1000) / SOUND_MS) {
      const now = performance.now() - start;
      for (; sounds < (seconds * 1000) / SOUND_MS && sounds * SOUND_MS <= now; sounds++) this.#sound();
      for (; frames < seconds * FPS && (frames * 1000) / FPS <= now; frames++) this.#picture();
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
  }

  #picture() {
    const isKey = this.#frames % FRAMES_PER_KEY_FRAME === 0;
    const packets = isKey ? KEY_FRAME_PACKETS : FRAME_PACKETS[this.#frames % FRAME_PACKETS.length];
    const { batch, picture } = this.#to;
    batch.clear();
    for (let i = 0; i < packets; i++)
      batch.add({
        sequence: this.#sequence.picture++,
        timestamp: this.#frames * 3000,
        marker: i === packets - 1,
        startPoint: isKey && i === 0,
        payload: PAYLOAD.subarray(0, i === packets - 1 ? 400 : PAYLOAD_BYTES),
      });
    this.#frames++;
    const before = performance.now();
    this.#egress.push(picture, batch);
    this.pushUs.push((performance.now() - before) * 1000);
  }

  #sound() {
    const { batch, sound } = this.#to;
    batch.clear();
    const sequence = this.#sequence.sound++;
    const payload = PAYLOAD.subarray(0, 100);
    batch.add({ sequence, timestamp: sequence * 960, marker: false, startPoint: true, payload });
    this.#egress.push(sound, batch);
  }
}

if (option('child') === undefined) await runAll();
else await runOne();

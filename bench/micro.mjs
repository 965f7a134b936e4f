// The hot paths by themselves, in this process: median processor time of what is done once for a packet, or for a viewer and packet.
// node bench/micro.mjs [--json] [--quick]
// Needs: npm run build. The material is two seconds of 720p30 with 1 Mbit/s that the load tool makes up.
import { randomBytes } from 'node:crypto';
import { h264Packetizer, Mp4FragmentWriter, parseRtp, TsMuxer, writeRtp } from '@sluice/media';
import { SrtpReceiver, SrtpSender } from '@sluice/native/srtp';
import { madeClip } from '../packages/loadtest/dist/source/clip.js';
import { Stream } from '../packages/server/dist/core/stream.js';
import { ChunkReader } from '../packages/server/dist/protocols/rtmp/wire/chunk-reader.js';
import { writeMessage } from '../packages/server/dist/protocols/rtmp/wire/chunk-writer.js';
import { median } from './support/figures.mjs';

const isQuick = process.argv.includes('--quick');
const ROUNDS = isQuick ? 5 : 15;
const ROUND_MS = isQuick ? 20 : 60;
const CHUNK = 4096;
const READ_BYTES = 65_536;
const MAX_PAYLOAD = 1160;
const READERS = 1000;
const TAG_BYTES = 32;

const clip = madeClip(
  { width: 1280, height: 720, fps: 30, bitrateBps: 1e6, keySeconds: 2 },
  { codec: 'aac', bitrateBps: 32_000 },
);
const pictures = clip.video.packets;
const payloads = pictures.map(({ units }) => Buffer.concat(units));

function rtmpWrite() {
  const header = { chunkStreamId: 6, type: 9, streamId: 1, timestamp: 0 };
  return { count: payloads.length, run: () => payloads.map((payload) => writeMessage(header, payload, CHUNK)) };
}

function rtmpRead() {
  const bytes = Buffer.concat(rtmpWrite().run());
  const pieces = Array.from({ length: Math.ceil(bytes.length / READ_BYTES) }, (_, i) =>
    bytes.subarray(i * READ_BYTES, (i + 1) * READ_BYTES),
  );
  const reader = new ChunkReader();
  reader.setChunkSize(CHUNK);
  let messages = 0;
  const onMessage = () => messages++;
  const run = () => {
    for (const piece of pieces) reader.push(piece, onMessage);
  };
  run();
  run();
  if (messages !== 2 * payloads.length) throw new Error(`${messages} of ${2 * payloads.length} messages were read`);
  return { count: payloads.length, run };
}

function rtpPackets() {
  const packetizer = h264Packetizer(1);
  return {
    count: pictures.length,
    run: () => pictures.flatMap((picture) => packetizer.packetize(picture, MAX_PAYLOAD)),
  };
}

/** Encryption never sees a number twice, so each packet gets the next one. */
function srtp(profile) {
  const key = randomBytes(16);
  const salt = randomBytes(profile.includes('GCM') ? 12 : 14);
  const sender = new SrtpSender(profile, { key, salt });
  const plain = Buffer.from(
    writeRtp(
      { payloadType: 96, ssrc: 7, sequence: 0, timestamp: 0, marker: false, extensions: [] },
      randomBytes(MAX_PAYLOAD),
    ),
  );
  const packet = Buffer.alloc(plain.length + TAG_BYTES);
  let sequence = 0;
  const next = () => {
    plain.copy(packet);
    packet.writeUInt16BE(sequence++ & 0xffff, 2);
    return packet.subarray(0, sender.protectRtp(packet, plain.length));
  };
  return { key, salt, next };
}

function protect(profile) {
  const { next } = srtp(profile);
  const run = () => {
    for (let i = 0; i < 200; i++) next();
  };
  return { count: 200, run };
}

/** Packets are sealed once; as none may come twice, each round opens them with a receiver of its own. */
function unprotect(profile) {
  const { key, salt, next } = srtp(profile);
  const sealed = Array.from({ length: 1000 }, () => Buffer.from(next()));
  const run = () => {
    const receiver = new SrtpReceiver(profile, { key, salt });
    for (const packet of sealed)
      if (parseRtp(receiver.unprotectRtp(Buffer.from(packet))) === undefined) throw new Error('not opened');
  };
  return { count: sealed.length, run };
}

function fmp4() {
  const { track } = clip.video;
  const writer = new Mp4FragmentWriter([track]);
  const samples = pictures.map((packet) => ({ packet, durationUs: 33_333 }));
  return { count: pictures.length, run: () => writer.fragment([{ track, samples }]) };
}

function ts() {
  const muxer = new TsMuxer([clip.video.track]);
  return { count: pictures.length, run: () => muxer.segment(pictures) };
}

function hub() {
  const stream = new Stream('bench');
  stream.attachPublisher({});
  stream.setTrack(clip.video.track);
  for (let i = 0; i < READERS; i++) {
    const reader = stream.attach({
      startAt: 'live',
      onReadable() {
        while (reader.read() !== undefined);
      },
      onEnd() {},
    });
  }
  let atUs = 0;
  const run = () => {
    for (let i = 0; i < 10; i++) {
      atUs += 33_333;
      stream.publish({ ...pictures[1 + (i % 50)], dtsUs: atUs, ptsUs: atUs });
    }
  };
  return { count: 10 * READERS, run };
}

const ALL = [
  ['RTMP: cut a picture into chunks', 'picture', rtmpWrite],
  ['RTMP: read a picture out of chunks', 'picture', rtmpRead],
  ['hub: hand a picture to one of 1,000 readers', 'reader', hub],
  ['RTP: put a picture into packets', 'picture', rtpPackets],
  ['SRTP in TypeScript: seal a packet, AES-128-GCM', 'packet', () => protect('AEAD_AES_128_GCM')],
  ['SRTP in TypeScript: seal a packet, AES-128-CM with SHA-1', 'packet', () => protect('AES_CM_128_HMAC_SHA1_80')],
  ['SRTP in TypeScript: open and parse a packet, AES-128-GCM', 'packet', () => unprotect('AEAD_AES_128_GCM')],
  ['HLS: a picture into fragmented MP4', 'picture', fmp4],
  ['HLS: a picture into MPEG-TS', 'picture', ts],
];

/** Nanoseconds of the processor that one takes, of one round: what others do on the machine is not in it. */
function timed({ count, run }) {
  const endsAt = performance.now() + ROUND_MS;
  const before = process.cpuUsage();
  let runs = 0;
  for (; performance.now() < endsAt || runs === 0; runs++) run();
  const { user, system } = process.cpuUsage(before);
  return ((user + system) * 1000) / runs / count;
}

function measure([what, per, make]) {
  const one = make();
  timed(one);
  const list = Array.from({ length: ROUNDS }, () => timed(one));
  return { what, per, ns: median(list), leastNs: Math.min(...list), mostNs: Math.max(...list) };
}

const results = ALL.map(measure);
if (process.argv.includes('--json')) process.stdout.write(JSON.stringify(results));
else
  for (const { what, per, ns } of results)
    process.stdout.write(`${what.padEnd(62)}${(ns / 1000).toFixed(2).padStart(9)} µs a ${per}\n`);

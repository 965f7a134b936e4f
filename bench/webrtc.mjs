// Delay and CPU of WebRTC fan-out, against a bare UDP relay in the same run; then how long a browser takes to its first
// picture.
// node bench/webrtc.mjs [--players 1,10,50] [--seconds 10] [--rounds 3] [--joins 20]
// Needs: npm run build, ffmpeg; for the joins chromium (Debian packages).
import { spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { chromium } from 'playwright-core';
import {
  AUDIO_PAYLOAD_TYPE,
  AUDIO_SSRC,
  RtcClient,
  VIDEO_PAYLOAD_TYPE,
  VIDEO_SSRC,
} from '../packages/server/dist/protocols/webrtc/testing/rtc-client.js';
import { ecdsaIdentity } from '../packages/server/dist/protocols/webrtc/wire/dtls/testing/identities.js';
import { freePort, usage } from './support/processes.mjs';
import { startSluice } from './support/servers.mjs';

const { values } = parseArgs({
  options: {
    players: { type: 'string', default: '1,10,50' },
    seconds: { type: 'string', default: '10' },
    rounds: { type: 'string', default: '3' },
    joins: { type: 'string', default: '20' },
  },
});
const RELAY = fileURLToPath(new URL('./support/udp-relay.mjs', import.meta.url));
const PACKETS_PER_FRAME = 4;
const PAYLOAD_BYTES = 1100;
/** First bytes of a key frame and of another frame of VP8, behind the payload descriptor. */
const KEY = [0x10, 0x10, 0x02, 0x00, 0x9d, 0x01, 0x2a, 0x40, 0x01, 0xf0, 0x00];
const DELTA = [0x10, 0x11, 0x02, 0x00];
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

function percentile(sorted, share) {
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? Number.NaN;
}

/** Sends 30 frames a second of 4 packets, 1 Mbit/s, and 50 packets of sound; each says when it was sent. */
function startMedia(sendRtp) {
  let sequence = 0;
  let frames = 0;
  const stamped = (bytes, head) => {
    const payload = Buffer.alloc(bytes);
    payload.set(head);
    payload.writeDoubleBE(performance.now(), bytes - 8);
    return payload;
  };
  const video = setInterval(() => {
    const key = frames % 30 === 0;
    for (let i = 0; i < PACKETS_PER_FRAME; i++) {
      const head = i > 0 ? [0] : key ? KEY : DELTA;
      const marker = i === PACKETS_PER_FRAME - 1;
      const fields = { payloadType: VIDEO_PAYLOAD_TYPE, ssrc: VIDEO_SSRC, sequence: sequence++ & 0xffff, marker };
      sendRtp({ ...fields, timestamp: (frames * 3000) >>> 0 }, stamped(PAYLOAD_BYTES, head));
    }
    frames++;
  }, 1000 / 30);
  let sounds = 0;
  const audio = setInterval(() => {
    const fields = { payloadType: AUDIO_PAYLOAD_TYPE, ssrc: AUDIO_SSRC, sequence: sounds & 0xffff, marker: true };
    sendRtp({ ...fields, timestamp: (sounds++ * 960) >>> 0 }, stamped(160, [0xfc]));
  }, 20);
  return () => {
    clearInterval(video);
    clearInterval(audio);
  };
}

async function exchange(url, offer) {
  const response = await fetch(url, { method: 'POST', headers: { 'content-type': 'application/sdp' }, body: offer });
  if (response.status !== 201) throw new Error(`${response.status} ${await response.text()}`);
  return response.text();
}

async function until(check, what) {
  for (let i = 0; i < 500; i++) {
    if (check()) return;
    await pause(20);
  }
  throw new Error(`${what} did not happen`);
}

async function measured(pid, delays) {
  await pause(2000);
  delays.length = 0;
  const before = { ...usage(pid), at: performance.now() };
  await pause(Number(values.seconds) * 1000);
  const after = { ...usage(pid), at: performance.now() };
  const sorted = delays.toSorted((a, b) => a - b);
  return {
    cpu: ((after.cpu - before.cpu) / ((after.at - before.at) / 1000)) * 100,
    p50: percentile(sorted, 0.5),
    p95: percentile(sorted, 0.95),
    packets: sorted.length,
  };
}

async function throughSluice(server, count) {
  const identity = await ecdsaIdentity();
  const delays = [];
  const publisher = new RtcClient({ identity, direction: 'sendonly', video: 'VP8' });
  await publisher.connect(await exchange(`http://127.0.0.1:${server.http}/whip/bench`, publisher.offer));
  await until(() => publisher.connected, 'the publisher');
  const stop = startMedia((fields, payload) => publisher.sendRtp(fields, payload));
  await pause(500);
  const players = [];
  for (let i = 0; i < count; i++) {
    const player = new RtcClient({ identity, direction: 'recvonly', video: 'VP8' });
    player.onRtp = ({ payload }) => {
      const bytes = Buffer.from(payload.buffer, payload.byteOffset, payload.length);
      delays.push(performance.now() - bytes.readDoubleBE(bytes.length - 8));
    };
    await player.connect(await exchange(`http://127.0.0.1:${server.http}/whep/bench`, player.offer));
    players.push(player);
  }
  await until(() => players.every((player) => player.connected), 'the players');
  const result = await measured(server.pid, delays);
  stop();
  for (const client of [publisher, ...players]) client.dtls?.close();
  await pause(300);
  for (const client of [publisher, ...players]) await client.close();
  return result;
}

async function throughRelay(count) {
  const delays = [];
  const sockets = await Promise.all(
    Array.from({ length: count }, async () => {
      const socket = createSocket('udp4');
      socket.on('message', (bytes) => delays.push(performance.now() - bytes.readDoubleBE(bytes.length - 8)));
      socket.bind(0, '127.0.0.1');
      await once(socket, 'listening');
      return socket;
    }),
  );
  const relay = spawn(process.execPath, [RELAY, ...sockets.map((socket) => String(socket.address().port))], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [line] = await once(relay.stdout, 'data');
  const port = Number(String(line));
  const sender = createSocket('udp4');
  const stop = startMedia((_, payload) => sender.send(payload, port, '127.0.0.1'));
  const result = await measured(relay.pid, delays);
  stop();
  relay.kill('SIGTERM');
  for (const socket of [sender, ...sockets]) socket.close();
  return result;
}

/** Milliseconds from before the offer to the first decoded picture, in a browser that plays a stream. */
async function joins(server, name) {
  const site = createServer((_, response) => {
    response.setHeader('content-type', 'text/html');
    response.end('<!doctype html>');
  }).listen(0, 'localhost');
  await once(site, 'listening');
  const args = ['--headless=new', '--no-sandbox', '--autoplay-policy=no-user-gesture-required'];
  const flags = ['--allow-loopback-in-peer-connection', '--disable-background-networking'];
  const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: [...args, ...flags] });
  const page = await browser.newPage();
  await page.goto(`http://localhost:${site.address().port}/`);
  const times = [];
  for (let i = 0; i < Number(values.joins); i++)
    times.push(await page.evaluate(joinInPage, `http://127.0.0.1:${server.http}/whep/${name}`));
  await browser.close();
  site.close();
  return times.toSorted((a, b) => a - b);
}

/* global RTCPeerConnection, MediaStream, document */
async function joinInPage(url) {
  const peer = new RTCPeerConnection();
  const video = document.createElement('video');
  video.muted = true;
  video.autoplay = true;
  document.body.append(video);
  const stream = new MediaStream();
  video.srcObject = stream;
  peer.addTransceiver('audio', { direction: 'recvonly' });
  peer.addTransceiver('video', { direction: 'recvonly' });
  peer.ontrack = ({ track }) => stream.addTrack(track);
  const began = performance.now();
  const shown = new Promise((resolve) => video.requestVideoFrameCallback(() => resolve(performance.now() - began)));
  await peer.setLocalDescription();
  const headers = { 'content-type': 'application/sdp' };
  const response = await fetch(url, { method: 'POST', headers, body: peer.localDescription.sdp });
  await peer.setRemoteDescription({ type: 'answer', sdp: await response.text() });
  const time = await shown;
  peer.close();
  video.remove();
  await fetch(new URL(response.headers.get('location'), url), { method: 'DELETE' });
  return time;
}

const folder = mkdtempSync(join(tmpdir(), 'sluice-bench-'));
const http = await freePort();
const server = await startSluice(folder, { 'http.port': http, media_port_from: 31_777 });
server.http = http;
try {
  console.log('players | by | CPU % of a core | delay p50 ms | p95 ms | packets');
  for (const count of values.players.split(',').map(Number)) {
    const ratios = [];
    for (let round = 0; round < Number(values.rounds); round++) {
      const relay = await throughRelay(count);
      const sluice = await throughSluice(server, count);
      ratios.push({ cpu: sluice.cpu / relay.cpu, added: sluice.p95 - relay.p95 });
      for (const [by, { cpu, p50, p95, packets }] of Object.entries({ relay, sluice }))
        console.log(`${count} | ${by} | ${cpu.toFixed(1)} | ${p50.toFixed(2)} | ${p95.toFixed(2)} | ${packets}`);
    }
    const median = (key) =>
      percentile(
        ratios.map((ratio) => ratio[key]).toSorted((a, b) => a - b),
        0.5,
      );
    console.log(
      `${count} | median | CPU ratio ${median('cpu').toFixed(2)} | | added p95 ${median('added').toFixed(2)} |`,
    );
  }
  if (Number(values.joins) > 0) {
    const input = [
      '-v',
      'error',
      '-re',
      '-f',
      'lavfi',
      '-i',
      'testsrc2=s=640x360:r=30',
      '-f',
      'lavfi',
      '-i',
      'sine=440',
    ];
    const codecs = [
      '-c:v',
      'libx264',
      '-preset',
      'ultrafast',
      '-pix_fmt',
      'yuv420p',
      '-bf',
      '0',
      '-g',
      '60',
      '-c:a',
      'aac',
    ];
    const url = `rtmp://127.0.0.1:${server.port}/live/joins`;
    const encoder = spawn('ffmpeg', [...input, ...codecs, '-f', 'flv', url], { stdio: 'ignore' });
    await pause(4000);
    const times = await joins(server, 'joins');
    const [p50, p95] = [percentile(times, 0.5), percentile(times, 0.95)];
    console.log(
      `first picture of an RTMP stream, ${times.length} joins: p50 ${p50.toFixed(0)} ms, p95 ${p95.toFixed(0)} ms`,
    );
    encoder.kill('SIGTERM');
    await once(encoder, 'exit');
  }
} finally {
  await server.stop();
  rmSync(folder, { recursive: true, force: true });
}

// CPU of a meeting (each participant sends, and plays all the others) and of viewers of a simulcast publisher, beside
// Janus on the same load. Clients are scripted, the same for both.
// node bench/meeting.mjs [--parties 10] [--viewers 50] [--seconds 15] [--rounds 3]
// Needs: npm run build, janus, openssl (Debian packages).
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { ecdsaIdentity } from '../packages/server/dist/protocols/webrtc/wire/dtls/testing/identities.js';
import { startJanus } from './support/janus.mjs';
import { freePort, usage } from './support/processes.mjs';
import {
  answerTo,
  FACE,
  hostOf,
  LAYERS,
  newPlayer,
  newPublisher,
  pause,
  startMedia,
  transportExtensionOf,
  until,
} from './support/rtc-party.mjs';
import { startSluice } from './support/servers.mjs';

const { values } = parseArgs({
  options: {
    parties: { type: 'string', default: '10' },
    viewers: { type: 'string', default: '50' },
    seconds: { type: 'string', default: '15' },
    rounds: { type: 'string', default: '3' },
  },
});
const parties = Number(values.parties);
const viewers = Number(values.viewers);
const identity = await ecdsaIdentity();

/** Sluice by WHIP and WHEP. */
async function sluiceSide(folder, round) {
  const http = await freePort();
  // Nobody is to wait until the way is known to carry the largest size.
  const settings = { 'http.port': http, media_port_from: 31_777, webrtc_start_bitrate: 5_000_000 };
  const server = await startSluice(folder, settings);
  const exchange = async (path, offer) => {
    const headers = { 'content-type': 'application/sdp' };
    const response = await fetch(`http://127.0.0.1:${http}${path}`, { method: 'POST', headers, body: offer });
    if (response.status !== 201) throw new Error(`${response.status} ${await response.text()}`);
    return response.text();
  };
  return {
    name: 'sluice',
    pid: server.pid,
    stop: server.stop,
    async publish(name, layers) {
      const { client, offer } = await newPublisher(identity, layers);
      const answer = await exchange(`/whip/${name}-${round}`, offer);
      await client.connect(answer, hostOf(answer));
      return client;
    },
    async play(name, layer) {
      const player = await newPlayer(identity);
      const { client, offer } = player;
      const size = layer === undefined ? '' : `?width=${LAYERS[layer].width}&height=${LAYERS[layer].height}`;
      const answer = await exchange(`/whep/${name}-${round}${size}`, offer);
      player.counts.extension = transportExtensionOf(answer);
      await client.connect(answer, hostOf(answer));
      return player;
    },
  };
}

/** Janus by its video room. */
async function janusSide(folder, round) {
  const server = await startJanus(folder);
  const { api } = server;
  const room = 1000 + round;
  const feeds = new Map();
  const creator = await api.attach();
  await api.ask(creator, {
    request: 'create',
    room,
    publishers: 100,
    videocodec: 'vp8',
    audiocodec: 'opus',
    bitrate: 0,
  });
  return {
    name: 'janus',
    pid: server.pid,
    stop: server.stop,
    async publish(name, layers) {
      const { client, offer } = await newPublisher(identity, layers);
      const handle = await api.attach();
      const { data } = await api.request(handle, { request: 'join', ptype: 'publisher', room, display: name });
      feeds.set(name, data.id);
      const { jsep } = await api.request(handle, { request: 'publish' }, { type: 'offer', sdp: offer });
      await client.connect(jsep.sdp, hostOf(jsep.sdp));
      return client;
    },
    async play(name, layer) {
      const player = await newPlayer(identity);
      const { client } = player;
      const handle = await api.attach();
      const join = { request: 'join', ptype: 'subscriber', room, streams: [{ feed: feeds.get(name) }] };
      const { jsep } = await api.request(handle, join);
      player.counts.extension = transportExtensionOf(jsep.sdp);
      // Its checks may come at once.
      await client.connect(jsep.sdp, hostOf(jsep.sdp));
      const answer = { type: 'answer', sdp: answerTo(jsep.sdp, client, identity) };
      await api.request(handle, { request: 'start' }, answer);
      if (layer !== undefined) {
        const streams = [{ mid: '1', substream: layer }];
        await api.request(handle, { request: 'configure', streams });
      }
      return player;
    },
  };
}

async function measured(server, players) {
  await pause(3000);
  const sum = (of) => players.reduce((total, { counts }) => total + of(counts), 0);
  const before = {
    ...usage(server.pid),
    at: performance.now(),
    packets: sum((c) => c.packets),
    bytes: sum((c) => c.bytes),
    feedback: sum((c) => c.feedback),
  };
  await pause(Number(values.seconds) * 1000);
  const after = {
    ...usage(server.pid),
    at: performance.now(),
    packets: sum((c) => c.packets),
    bytes: sum((c) => c.bytes),
    feedback: sum((c) => c.feedback),
  };
  const seconds = (after.at - before.at) / 1000;
  const packetRate = (after.packets - before.packets) / seconds;
  const cpu = ((after.cpu - before.cpu) / seconds) * 100;
  return {
    cpu,
    packetRate,
    megabits: ((after.bytes - before.bytes) * 8) / seconds / 1e6,
    usPerPacket: (cpu * 1e4) / packetRate,
    feedbackRate: (after.feedback - before.feedback) / seconds / players.length,
  };
}

async function connected(clients, what) {
  await until(() => clients.every((client) => client.connected), what);
}

async function close(clients, players) {
  for (const { stop } of players) stop();
  for (const client of clients) client.dtls?.close();
  await pause(200);
  for (const client of clients) await client.close();
}

/** Everybody sends, and plays everybody else. */
async function meeting(server) {
  const names = Array.from({ length: parties }, (_, i) => `party${i}`);
  const publishers = [];
  for (const name of names) publishers.push(await server.publish(name));
  await connected(publishers, 'the participants');
  const stops = publishers.map((client) => startMedia(client, [FACE]));
  await pause(500);
  const players = [];
  for (const own of names) for (const other of names) if (other !== own) players.push(await server.play(other));
  await connected(
    players.map(({ client }) => client),
    'the subscriptions',
  );
  const result = await measured(server, players);
  for (const stop of stops) stop();
  await close([...publishers, ...players.map(({ client }) => client)], players);
  return result;
}

/** One publisher in three sizes, viewers a third each. */
async function simulcast(server) {
  const publisher = await server.publish('stage', LAYERS);
  await connected([publisher], 'the publisher');
  const stop = startMedia(publisher, LAYERS);
  await pause(1000);
  const players = [];
  for (let i = 0; i < viewers; i++) players.push(await server.play('stage', i % LAYERS.length));
  await connected(
    players.map(({ client }) => client),
    'the viewers',
  );
  const result = await measured(server, players);
  stop();
  await close([publisher, ...players.map(({ client }) => client)], players);
  return result;
}

const median = (list) => list.toSorted((a, b) => a - b)[Math.floor(list.length / 2)] ?? Number.NaN;

console.log('load | by | CPU % of a core | packets/s | Mbit/s | µs a packet | feedback/s a player');
for (const { load, run } of [
  { load: `meeting of ${parties}`, run: meeting },
  { load: `${viewers} viewers of simulcast`, run: simulcast },
]) {
  const ratios = [];
  for (let round = 0; round < Number(values.rounds); round++) {
    const results = {};
    for (const side of [janusSide, sluiceSide]) {
      const folder = mkdtempSync(join(tmpdir(), 'sluice-bench-'));
      const server = await side(folder, round);
      try {
        const result = await run(server);
        results[server.name] = result;
        const { cpu, packetRate, megabits, usPerPacket, feedbackRate } = result;
        const figures = [cpu.toFixed(1), packetRate.toFixed(0), megabits.toFixed(1), usPerPacket.toFixed(1)];
        figures.push(feedbackRate.toFixed(1));
        console.log(`${load} | ${server.name} | ${figures.join(' | ')}`);
      } finally {
        await server.stop();
        rmSync(folder, { recursive: true, force: true });
      }
    }
    ratios.push(results.sluice.usPerPacket / results.janus.usPerPacket);
  }
  console.log(`${load} | median ratio of the time a packet takes: ${median(ratios).toFixed(2)}`);
}
process.exit(0);

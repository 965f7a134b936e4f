// Scripted WebRTC clients for the meeting benchmarks: VP8 and Opus that are media by their headers alone.
import { networkInterfaces } from 'node:os';
import { transportSequence, twccFeedback, writeTwcc } from '@sluice/media';
import {
  AUDIO_PAYLOAD_TYPE,
  AUDIO_SSRC,
  RtcClient,
  VIDEO_PAYLOAD_TYPE,
  VIDEO_SSRC,
} from '../../packages/server/dist/protocols/webrtc/testing/rtc-client.js';
import { ArrivalRecorder } from '../../packages/server/dist/rtp/receive/arrival-recorder.js';

const FPS = 30;
const RID_EXTENSION = 10;
const MID_EXTENSION = 9;
/** Janus offers the same one that publishers offered it. */
const TRANSPORT_EXTENSION = 3;
const TRANSPORT_NUMBERS = 'http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01';
/** Chromium sends feedback every 50 to 250 ms. */
const FEEDBACK_MS = 100;
/** That of the picture in the client's offers. */
const VIDEO_MID = '1';
/** Encodings of a simulcast publisher, smallest first. */
export const LAYERS = [
  { rid: 'q', width: 320, height: 180, packets: 1, bytes: 300 },
  { rid: 'h', width: 640, height: 360, packets: 1, bytes: 1100 },
  { rid: 'f', width: 1280, height: 720, packets: 4, bytes: 1100 },
];
/** What a participant of a meeting sends. */
export const FACE = { rid: undefined, width: 640, height: 360, packets: 1, bytes: 1100 };

export const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Waits until `check` is true, 20 s at most. */
export async function until(check, what) {
  for (let i = 0; i < 1000; i++) {
    if (check()) return;
    await pause(20);
  }
  throw new Error(`${what} did not happen`);
}

/** The address of this machine that servers offer to clients; loopback where there is no other. */
const HOST =
  Object.values(networkInterfaces())
    .flat()
    .find(({ internal, family }) => !internal && family === 'IPv4')?.address ?? '127.0.0.1';

/** The client's own candidate, which Janus wants to know. */
function candidate(client) {
  return [`a=candidate:1 1 udp 2130706431 ${HOST} ${client.port} typ host`, 'a=end-of-candidates'];
}

/** A client that publishes, with its offer; with `layers`, that has all of them. */
export async function newPublisher(identity, layers) {
  const client = new RtcClient({ identity, direction: 'sendonly', video: 'VP8' });
  await client.bind(HOST);
  const offer = withFeedback(client.offer).replace(/^a=rtcp-mux$/gm, ['a=rtcp-mux', ...candidate(client)].join('\r\n'));
  if (layers === undefined) return { client, offer };
  const rids = layers.map(({ rid }) => rid);
  const lines = [
    `a=extmap:${MID_EXTENSION} urn:ietf:params:rtp-hdrext:sdes:mid`,
    `a=extmap:${RID_EXTENSION} urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id`,
    ...rids.map((rid) => `a=rid:${rid} send`),
    // The best one first, as browsers are told to.
    `a=simulcast:send ${rids.toReversed().join(';')}`,
  ];
  const [head, video] = offer.split(/(?=m=video)/);
  const withoutSources = video.replace(/a=ssrc[^\n]*\n/g, '');
  return { client, offer: `${head}${withoutSources}${lines.join('\r\n')}\r\n` };
}

/** Janus wants to know the section as well as the encoding. */
function named(rid) {
  return [
    { id: MID_EXTENSION, value: Buffer.from(VIDEO_MID) },
    { id: RID_EXTENSION, value: Buffer.from(rid) },
  ];
}

/** VP8 payload descriptor with picture id and base layer index, and the frame's header behind it (RFC 7741 §4.2, §4.3). */
function payloadHead(first, key, picture, { width, height }) {
  const id = picture & 0x7fff;
  const descriptor = [first ? 0x90 : 0x80, 0xe0, 0x80 | (id >> 8), id & 0xff, picture & 0xff, 0x20];
  if (!first) return [...descriptor, 0];
  const size = [width & 0xff, width >> 8, height & 0xff, height >> 8];
  return key ? [...descriptor, 0x10, 0x02, 0x00, 0x9d, 0x01, 0x2a, ...size] : [...descriptor, 0x11, 0x02, 0x00];
}

/** Sends media until the result is called: pictures in each of `layers`, a key frame every `keyFrames`, and sound. */
export function startMedia(client, layers, { keyFrames = 60, sound = true } = {}) {
  const sequences = layers.map(() => 0);
  // A browser begins with a key frame; later ones of different publishers do not come together.
  let frames = 0;
  let sinceKey = -Math.floor(Math.random() * keyFrames);
  const video = setInterval(() => {
    const key = frames === 0 || sinceKey % keyFrames === 0;
    for (const [i, layer] of layers.entries()) {
      for (let n = 0; n < layer.packets; n++) {
        const payload = Buffer.alloc(layer.bytes);
        payload.set(payloadHead(n === 0, key, frames, layer));
        const fields = {
          payloadType: VIDEO_PAYLOAD_TYPE,
          ssrc: VIDEO_SSRC + i * 16,
          sequence: sequences[i]++ & 0xffff,
          marker: n === layer.packets - 1,
          timestamp: (frames * (90_000 / FPS)) >>> 0,
          extensions: layer.rid === undefined ? [] : named(layer.rid),
        };
        client.sendRtp(fields, payload);
      }
    }
    frames++;
    sinceKey++;
  }, 1000 / FPS);
  let sounds = 0;
  const audio =
    sound &&
    setInterval(() => {
      const payload = Buffer.alloc(80, 0xfc);
      const fields = { payloadType: AUDIO_PAYLOAD_TYPE, ssrc: AUDIO_SSRC, sequence: sounds & 0xffff, marker: true };
      client.sendRtp({ ...fields, timestamp: (sounds++ * 960) >>> 0 }, payload);
    }, 20);
  return () => {
    clearInterval(video);
    if (audio) clearInterval(audio);
  };
}

/** An offer of packets with numbers of the way, and of feedback about them. */
function withFeedback(offer) {
  const lines = [`a=extmap:${TRANSPORT_EXTENSION} ${TRANSPORT_NUMBERS}`, 'a=rtcp-fb:* transport-cc'];
  return offer.replace(/^a=rtcp-mux$/gm, ['a=rtcp-mux', ...lines].join('\r\n'));
}

/** The number of the extension for numbers of the way in a description; undefined when it has none. */
export function transportExtensionOf(description) {
  const line = new RegExp(`^a=extmap:(\\d+)\\S* ${TRANSPORT_NUMBERS}`, 'm').exec(description);
  return line === null ? undefined : Number(line[1]);
}

/**
 * A client that plays, tells every 100 ms when packets arrived, and counts what comes, as { packets, bytes }. Its offer,
 * should it be the one to make it; `stop` ends its feedback.
 */
export async function newPlayer(identity) {
  const client = new RtcClient({ identity, direction: 'recvonly', video: 'VP8' });
  await client.bind(HOST);
  const counts = { packets: 0, bytes: 0, video: 0, feedback: 0, extension: TRANSPORT_EXTENSION };
  const recorder = new ArrivalRecorder();
  let mediaSsrc = 0;
  client.onRtp = (packet) => {
    const { payload, payloadType, ssrc } = packet;
    counts.packets++;
    counts.bytes += payload.length;
    if (payloadType !== AUDIO_PAYLOAD_TYPE) counts.video += payload.length;
    const number = transportSequence(packet, counts.extension);
    if (number === undefined) return;
    mediaSsrc = ssrc;
    recorder.record(number, performance.now());
  };
  const timer = setInterval(() => {
    const recorded = recorder.take();
    if (recorded === undefined) return;
    const { baseSequence, arrivals } = recorded;
    const header = { senderSsrc: 1, mediaSsrc, baseSequence, feedbackCount: counts.feedback & 0xff };
    for (const feedback of twccFeedback(arrivals, header)) {
      counts.feedback++;
      client.sendRtcp(writeTwcc(feedback));
    }
  }, FEEDBACK_MS);
  return { client, counts, offer: withFeedback(client.offer), stop: () => clearInterval(timer) };
}

/** An answer of `client` to the offer of a server that sends. */
export function answerTo(offer, client, identity) {
  const [head, ...sections] = offer.split(/(?=^m=)/m);
  const own = [
    `a=ice-ufrag:${client.local.ufrag}`,
    `a=ice-pwd:${client.local.pwd}`,
    `a=fingerprint:sha-256 ${identity.certificate.fingerprint}`,
    'a=setup:passive',
    'a=recvonly',
    'a=rtcp-mux',
    ...candidate(client),
  ];
  const kept = (section) =>
    section.split(/\r?\n/).filter((line) => /^(m=|c=|a=(mid|rtpmap|fmtp|rtcp-fb|extmap):)/.test(line));
  const group = head.split(/\r?\n/).filter((line) => line.startsWith('a=group'));
  const top = ['v=0', 'o=- 1 2 IN IP4 127.0.0.1', 's=-', 't=0 0', ...group];
  return `${[...top, ...sections.flatMap((section) => [...kept(section), ...own])].join('\r\n')}\r\n`;
}

/** The address of the first candidate. */
export function hostOf(description) {
  return /^a=candidate:\S+ 1 udp \S+ (\S+)/im.exec(description)?.[1] ?? '127.0.0.1';
}

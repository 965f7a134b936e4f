// Viewers of HLS at scale, in a process of its own: `node hls-load.mjs '{"url":…,"viewers":…,"mode":"blocking"|"polling"}'`.
// Writes a line of JSON each second: requests, bytes, failures and the delays of parts since the line before.
import { Agent, get } from 'node:http';

const { url, viewers, mode } = JSON.parse(process.argv[2]);
const START_SPREAD_MS = 3000;
const counts = { requests: 0, bytes: 0, failures: 0, playlists: 0, waits: [] };
let stopping = false;

function fetchText(agent, address) {
  return new Promise((resolve, reject) => {
    const request = get(address, { agent }, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk) => (text += chunk));
      response.on('end', () => {
        counts.requests++;
        counts.bytes += text.length;
        if (response.statusCode === 200) resolve(text);
        else reject(new Error(`${response.statusCode}`));
      });
      response.on('error', reject);
    });
    request.on('error', reject);
  });
}

function fetchBytes(agent, address) {
  return new Promise((resolve, reject) => {
    const request = get(address, { agent }, (response) => {
      response.on('data', (chunk) => (counts.bytes += chunk.length));
      response.on('end', () => {
        counts.requests++;
        if (response.statusCode === 200) resolve();
        else reject(new Error(`${response.statusCode}`));
      });
      response.on('error', reject);
    });
    request.on('error', reject);
  });
}

/** Addresses of what a playlist lists, and where it ends. */
function readPlaylist(text) {
  const lines = text.split('\n');
  const target = Number(/#EXT-X-TARGETDURATION:(\d+)/.exec(text)?.[1] ?? 2);
  let msn = Number(/#EXT-X-MEDIA-SEQUENCE:(\d+)/.exec(text)?.[1] ?? 0);
  let part = 0;
  const parts = [];
  const segments = [];
  for (const line of lines) {
    if (line.startsWith('#EXT-X-PART:')) {
      parts.push(/URI="([^"]+)"/.exec(line)?.[1]);
      part++;
    } else if (line !== '' && !line.startsWith('#')) {
      segments.push(line);
      msn++;
      part = 0;
    }
  }
  return { target, parts, segments, next: { msn, part } };
}

/** Asks for each part as soon as there is one: low-latency HLS by blocking reload (RFC 8216bis §6.2.5.2). */
async function block(agent) {
  let known = new Set();
  let { next, parts } = readPlaylist(await fetchText(agent, url));
  for (;;) {
    if (stopping) return;
    const fresh = parts.filter((uri) => !known.has(uri)).slice(known.size === 0 ? -1 : 0);
    known = new Set(parts);
    for (const uri of fresh) await fetchBytes(agent, new URL(uri, url));
    const askedAt = performance.now();
    const text = await fetchText(agent, `${url}?_HLS_msn=${next.msn}&_HLS_part=${next.part}`);
    counts.waits.push(performance.now() - askedAt);
    counts.playlists++;
    ({ next, parts } = readPlaylist(text));
  }
}

/** Asks for the playlist every target duration, and for the segments that are new in it (RFC 8216 §6.3.4). */
async function poll(agent) {
  let known = new Set();
  for (;;) {
    if (stopping) return;
    const { segments, target } = readPlaylist(await fetchText(agent, url));
    counts.playlists++;
    const fresh = segments.filter((uri) => !known.has(uri)).slice(known.size === 0 ? -1 : 0);
    known = new Set(segments);
    for (const uri of fresh) await fetchBytes(agent, new URL(uri, url));
    await new Promise((resolve) => setTimeout(resolve, fresh.length > 0 ? target * 1000 : target * 500));
  }
}

async function view(index) {
  await new Promise((resolve) => setTimeout(resolve, (START_SPREAD_MS * index) / viewers));
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  while (!stopping) {
    try {
      await (mode === 'blocking' ? block : poll)(agent);
    } catch (error) {
      if (stopping) break;
      counts.failures++;
      counts.lastFailure = String(error);
      await new Promise((resolve) => setTimeout(resolve, 500));
    }
  }
  agent.destroy();
}

setInterval(() => {
  process.stdout.write(`${JSON.stringify(counts)}\n`);
  Object.assign(counts, { requests: 0, bytes: 0, failures: 0, playlists: 0, waits: [] });
}, 1000);
process.on('SIGTERM', () => {
  stopping = true;
  process.exit(0);
});
for (let i = 0; i < viewers; i++) void view(i);

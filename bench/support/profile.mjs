// Where the time of JavaScript goes: a run under Node's profiler, by folder.
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fanOut, LEAVING_US } from './load.mjs';

const LUMPS = 7;

/** The largest lumps of busy time in one run of that load, as a sentence. */
export async function whereTimeGoes(context, load) {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-profile-'));
  try {
    const node = ['--cpu-prof', `--cpu-prof-dir=${join(folder, 'profiles')}`];
    const server = await context.servers.sluice.start({
      folder,
      host: context.network.host,
      node,
      settings: load.settings,
    });
    let figures;
    try {
      figures = await fanOut(context.network, server, { rate: 100, seconds: context.seconds, ...load });
    } finally {
      await server.stop();
    }
    const toUs = figures.endedUs - LEAVING_US;
    const span = { fromUs: toUs - context.seconds * 1e6 + LEAVING_US, toUs };
    return sentence(readProfiles(join(folder, 'profiles'), span));
  } catch (error) {
    return `no profile: ${error.message.split('\n', 1)[0]}`;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Time by place while all viewers were there, of the thread that was busiest. */
function readProfiles(folder, span) {
  const all = readdirSync(folder).map((file) => lumpsOf(JSON.parse(readFileSync(join(folder, file), 'utf8')), span));
  return all.toSorted((a, b) => b.busyUs - a.busyUs)[0];
}

function lumpsOf({ nodes, samples, timeDeltas, startTime }, { fromUs, toUs }) {
  const places = new Map(nodes.map((node) => [node.id, placeOf(node.callFrame)]));
  const lumps = new Map();
  let atUs = startTime;
  for (const [index, id] of samples.entries()) {
    const place = places.get(id);
    atUs += timeDeltas[index];
    if (place !== '(idle)' && atUs >= fromUs && atUs <= toUs)
      lumps.set(place, (lumps.get(place) ?? 0) + timeDeltas[index]);
  }
  const busyUs = [...lumps.values()].reduce((sum, us) => sum + us, 0);
  return { lumps, busyUs };
}

function placeOf({ functionName, url }) {
  if (functionName === '(program)') return 'the system and native code outside of calls';
  if (functionName.startsWith('(')) return functionName;
  const own = /packages\/([^/]+)\/dist\/(.*)\/[^/]+$/.exec(url);
  if (own !== null) return `${own[1] === 'server' ? '' : `${own[1]}/`}${own[2].split('/').slice(0, 3).join('/')}`;
  const top = /packages\/([^/]+)\/dist\/[^/]+$/.exec(url);
  if (top !== null) return top[1];
  if (url.startsWith('node:')) return `Node: ${url.split('/').at(-1)}`;
  return url === '' ? `native: ${functionName || 'unnamed'}` : 'packages';
}

function sentence({ lumps, busyUs }) {
  const largest = [...lumps].toSorted((a, b) => b[1] - a[1]).slice(0, LUMPS);
  const told = largest.map(
    ([place, us]) => `${place.replaceAll('(', '').replaceAll(')', '')} ${Math.round((us / busyUs) * 100)} %`,
  );
  return `JavaScript's thread while busy: ${told.join(', ')}`;
}

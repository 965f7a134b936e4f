import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';

const ROOT = fileURLToPath(new URL('../../../..', import.meta.url));
const SERVER = 'packages/server/src';

/** What each folder may import besides itself: folders of this repository, `node:` for Node, or packages by name. */
const ALLOWED: Readonly<Record<string, readonly string[]>> = {
  'packages/media/src': [],
  'packages/contract/src': ['typebox'],
  'packages/loadtest/src': ['@sluice/media', '@sluice/native', '@sluice/server/wire', 'selfsigned', 'ws', 'node:'],
  'packages/native/src': ['node:'],
  [`${SERVER}/core`]: ['@sluice/media'],
  [`${SERVER}/io`]: ['@sluice/native', 'node:'],
  [`${SERVER}/rtp`]: [`${SERVER}/core`, `${SERVER}/io`, '@sluice/media', 'node:'],
  [`${SERVER}/relays`]: [`${SERVER}/core`, `${SERVER}/io`, '@sluice/media', 'node:'],
  [`${SERVER}/protocols/rtsp`]: [`${SERVER}/core`, `${SERVER}/io`, `${SERVER}/rtp`, '@sluice/media', 'node:'],
  [`${SERVER}/protocols/mpegts`]: [`${SERVER}/core`, `${SERVER}/io`, `${SERVER}/rtp`, '@sluice/media', 'node:'],
  [`${SERVER}/protocols/rtmp`]: [`${SERVER}/core`, `${SERVER}/io`, '@sluice/media', 'node:'],
  [`${SERVER}/protocols/hls`]: [`${SERVER}/core`, `${SERVER}/io`, '@sluice/media', 'node:'],
  [`${SERVER}/protocols/mse`]: [`${SERVER}/core`, `${SERVER}/io`, '@sluice/media', 'ws', 'node:'],
  [`${SERVER}/renditions`]: [`${SERVER}/core`, '@sluice/media', 'yaml', 'node:'],
  [`${SERVER}/protocols/flv`]: [`${SERVER}/core`, `${SERVER}/io`, '@sluice/media', 'ws', 'node:'],
  [`${SERVER}/protocols/webrtc`]: [
    `${SERVER}/core`,
    `${SERVER}/io`,
    `${SERVER}/rtp`,
    '@sluice/media',
    '@sluice/native',
    'undici',
    'ws',
    'node:',
  ],
  [`${SERVER}/engine`]: [`${SERVER}/core`, '@sluice/media', 'node-av', 'node:'],
  [`${SERVER}/vod`]: [`${SERVER}/core`, `${SERVER}/io`, '@sluice/media', 'node:'],
  [`${SERVER}/recording`]: [`${SERVER}/core`, `${SERVER}/io`, '@sluice/media', 'node:'],
  [`${SERVER}/snapshots`]: [`${SERVER}/core`, `${SERVER}/io`, '@sluice/media', 'node:'],
  [`${SERVER}/storage`]: [
    `${SERVER}/core`,
    `${SERVER}/io`,
    '@sluice/media',
    '@aws-sdk/client-s3',
    '@smithy/node-http-handler',
    'node:',
  ],
  [`${SERVER}/control`]: [
    `${SERVER}/core`,
    `${SERVER}/io`,
    '@sluice/contract',
    '@sluice/media',
    'fastify',
    'jose',
    '@fastify/ajv-compiler',
    '@fastify/fast-json-stringify-compiler',
    '@fastify/static',
    '@fastify/swagger',
    'prom-client',
    'typebox',
    'undici',
    'ws',
    'node:',
  ],
};

describe('the architecture table', () => {
  test.each(Object.entries(ALLOWED))('%s imports only what it may', (folder, allowed) => {
    const offences: string[] = [];
    for (const file of sources(join(ROOT, folder))) {
      for (const specifier of importsOf(file)) {
        if (!isAllowed(target(file, specifier), [folder, ...allowed])) {
          offences.push(`${relative(ROOT, file)} imports ${specifier}`);
        }
      }
    }
    expect(offences).toEqual([]);
  });

  test('a wire folder knows no socket, no timer of Node and no log', () => {
    const offences = readdirSync(join(ROOT, SERVER, 'protocols')).flatMap((protocol) =>
      sources(join(ROOT, SERVER, 'protocols', protocol)).filter(
        (file) =>
          file.includes(`${sep}wire${sep}`) &&
          importsOf(file).some((specifier) => /^node:(net|tls|dgram|fs|http|timers)/.test(specifier)),
      ),
    );
    expect(offences).toEqual([]);
  });
});

/** All sources below a folder that are part of the product: tests may import what they like. */
function sources(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts') && !file.endsWith('.test.ts') && !file.split(sep).includes('testing'))
    .map((file) => join(folder, file));
}

function importsOf(file: string): string[] {
  const text = readFileSync(file, 'utf8');
  return [...text.matchAll(/(?:^(?:import|export)\b[^'"]*?from\s*|\bimport\(\s*|^import\s+)'([^']+)'/gm)].map(
    (match) => match[1] ?? '',
  );
}

/** Relative imports as a path from the root, others as they are. */
function target(file: string, specifier: string): string {
  if (!specifier.startsWith('.')) return specifier;
  return relative(ROOT, resolve(dirname(file), specifier))
    .split(sep)
    .join('/');
}

function isAllowed(imported: string, allowed: readonly string[]): boolean {
  return allowed.some((entry) =>
    entry === 'node:' ? imported.startsWith(entry) : imported === entry || imported.startsWith(`${entry}/`),
  );
}

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { OverviewPorts } from '@sluice/contract';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';

/** The ways and ports by which browsers play; the page is for everybody, and the others are not its business. */
const PLAY_PORTS = ['hls', 'hlsSecure', 'http', 'https', 'webrtc', 'mse', 'lowLatencyHls', 'hlsLadder'] as const;

type PlayPorts = Pick<OverviewPorts, (typeof PLAY_PORTS)[number]>;

/** What the page that other sites embed has to know before it plays. */
export interface EmbedFacts {
  readonly ports: PlayPorts;
  /** True when pictures of streams can be had under `/snapshot/`. */
  readonly snapshots: boolean;
}

export interface EmbedPageOptions {
  /** Folder of the built console. */
  readonly folder: string;
  /** Asked for with each page: ports are known only after listening. */
  facts(): EmbedFacts;
  /** Sends the headers of all files of the console, with those who may frame the page. */
  secure(reply: FastifyReply, frameAncestors: string): void;
}

/** Where the facts are written to, as the page is built. */
const PLACE = '<script type="application/json" id="server">{}</script>';
/** The second one is WCS's name (websdk-signalling.md §17.1, S7). */
const PATHS = ['/embed', '/embed_player'] as const;

/**
 * Serves the page that plays one stream inside pages of other sites. It asks for no password: whether a viewer may play is
 * decided where the media are. `/embed/time` tells the server's clock, by which pages measure their delay.
 */
export function embedPage(app: FastifyInstance, { folder, facts, secure }: EmbedPageOptions): void {
  const answer = async (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> => {
    // The page's files are named from its own path on.
    const [path = '', query = ''] = request.url.split(/\?(.*)/s, 2);
    if (path.endsWith('/')) return reply.redirect(`..${path.slice(0, -1)}${query === '' ? '' : `?${query}`}`, 308);
    const page = await readFile(join(folder, 'embed.html'), 'utf8');
    const { ports, snapshots } = facts();
    const open = Object.fromEntries(PLAY_PORTS.map((name) => [name, ports[name]]));
    const written = JSON.stringify({ ports: open, snapshots }).replaceAll('<', '\\u003c');
    secure(reply, '*');
    return reply
      .header('cache-control', 'no-cache')
      .type('text/html; charset=utf-8')
      .send(page.replace(PLACE, () => PLACE.replace('{}', () => written)));
  };
  for (const path of PATHS) app.get(path, answer);
  app.get('/embed/time', (_request, reply) =>
    reply.header('cache-control', 'no-store').send({ nowMs: performance.timeOrigin + performance.now() }),
  );
}

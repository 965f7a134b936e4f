import { existsSync } from 'node:fs';
import { join } from 'node:path';
import fastifyStatic from '@fastify/static';
import type { FastifyInstance, FastifyReply } from 'fastify';
import { type EmbedFacts, embedPage } from './embed-page.ts';

/** The page loads nothing from elsewhere; HLS comes from another port and maybe another address of this server. */
const CONTENT_SECURITY_POLICY = [
  "default-src 'self'",
  'connect-src * blob: data:',
  'media-src * blob: data:',
  "img-src 'self' data:",
  "worker-src 'self' blob:",
  "object-src 'none'",
  "base-uri 'none'",
].join('; ');

const NOT_BUILT = `<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Sluice</title>
<body style="font:16px/1.5 system-ui,sans-serif;max-width:40rem;margin:15vh auto;padding:0 1rem">
<h1>Sluice is running</h1>
<p>The console has not been built yet. Run <code>npm run build -w apps/console</code> in the project folder,
then start the server again.</p>
<p>Meanwhile: <a href="/health">/health</a>, <a href="/metrics">/metrics</a>,
<a href="/rest-api/stream/find_all">/rest-api/stream/find_all</a></p>
`;

/**
 * Serves the built console at `/` and the page to embed, or a page that says how to build them. Tells whether they are
 * built. Other sites can frame the page to embed only.
 */
export async function consoleFiles(app: FastifyInstance, folder: string, facts: () => EmbedFacts): Promise<boolean> {
  if (!existsSync(join(folder, 'index.html'))) {
    app.get('/', (_request, reply) => reply.type('text/html; charset=utf-8').send(NOT_BUILT));
    return false;
  }
  embedPage(app, { folder, facts, secure });
  await app.register(fastifyStatic, {
    root: folder,
    cacheControl: false,
    dotfiles: 'ignore',
    setHeaders: (reply, path) => {
      // Vite puts a hash of the content into the names of all files but the page itself.
      const hashed = path.includes('/assets/');
      reply.header('cache-control', hashed ? 'public, max-age=31536000, immutable' : 'no-cache');
      secure(reply, "'self'");
    },
  });
  return true;
}

function secure(reply: Pick<FastifyReply, 'header'>, frameAncestors: string): void {
  reply.header('content-security-policy', `${CONTENT_SECURITY_POLICY}; frame-ancestors ${frameAncestors}`);
  reply.header('x-content-type-options', 'nosniff');
}

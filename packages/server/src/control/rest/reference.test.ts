import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { restReference } from './reference.ts';
import { REST_METHODS } from './rest-methods.ts';

const ROOT = new URL('../../../../../', import.meta.url);

function committed(path: string): string {
  return readFileSync(new URL(path, ROOT), 'utf8');
}

const { version } = JSON.parse(committed('packages/server/package.json')) as { version: string };

it.each(['openapi.json', 'rest.md'])('docs/reference/%s is what the table of methods says', async (file) => {
  const written = await restReference(version);
  expect(committed(`docs/reference/${file}`), 'write it anew: npm run docs:openapi').toBe(written[file]);
});

it('the OpenAPI document has every method, each with a name of its own, and references that lead somewhere', async () => {
  const text = (await restReference(version))['openapi.json'] ?? '';
  const document = JSON.parse(text) as {
    openapi: string;
    paths: Record<string, Record<string, { operationId: string; responses: Record<string, unknown> }>>;
    components: { schemas: Record<string, unknown> };
  };
  expect(document.openapi).toBe('3.1.0');
  for (const { path, onlyV3, errors } of REST_METHODS) {
    const versions = onlyV3 === true ? ['/v3'] : ['', '/v3'];
    for (const prefix of versions) {
      const responses = document.paths[`/rest-api${prefix}${path}`]?.['post']?.responses ?? {};
      expect(Object.keys(responses), path).toEqual(expect.arrayContaining(['200', '400', ...Object.keys(errors)]));
    }
  }
  const ids = Object.values(document.paths).flatMap((item) => Object.values(item).map((o) => o.operationId));
  expect(new Set(ids).size).toBe(ids.length);
  const references = [...text.matchAll(/"#\/components\/schemas\/(\w+)"/g)].map(([, name]) => name);
  expect(new Set(references)).toEqual(new Set(Object.keys(document.components.schemas)));
});

it('GET is told for methods without required fields alone', async () => {
  const document = JSON.parse((await restReference(version))['openapi.json'] ?? '') as {
    paths: Record<string, object>;
  };
  expect(Object.keys(document.paths['/rest-api/stream/find_all'] ?? {}).sort()).toEqual(['get', 'post']);
  expect(Object.keys(document.paths['/rest-api/connection/terminate'] ?? {})).toEqual(['post']);
});

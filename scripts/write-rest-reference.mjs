// Writes docs/reference/openapi.json and rest.md from the table of REST methods. Run by `npm run docs:openapi`.
import { readFileSync, writeFileSync } from 'node:fs';
import { restReference } from '../packages/server/dist/control/rest/reference.js';

const { version } = JSON.parse(readFileSync(new URL('../packages/server/package.json', import.meta.url), 'utf8'));
for (const [file, text] of Object.entries(await restReference(version))) {
  writeFileSync(new URL(`../docs/reference/${file}`, import.meta.url), text);
}

// Writes docs/reference/hooks.md from the schemas of the hooks. Run by `npm run docs:hooks`.
import { writeFileSync } from 'node:fs';
import { hooksReference } from '../packages/server/dist/control/hooks/hooks-reference.js';

writeFileSync(new URL('../docs/reference/hooks.md', import.meta.url), hooksReference());

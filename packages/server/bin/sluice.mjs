#!/usr/bin/env node
import { pathToFileURL } from 'node:url';
import { serverEntry } from '../bundle.mjs';

const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
if (major < 20 || (major === 20 && minor < 19)) {
  console.error(`sluice needs Node.js 20.19 or newer; this is ${process.version}`);
  process.exit(1);
}
await import(pathToFileURL(serverEntry()).href);

import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ROOT, TestServer } from './support/server.ts';

const GUIDES = ['use-cameras.md', 'publish-by-srt.md', 'send-to-other-servers.md'];

let server: TestServer;

beforeAll(async () => {
  server = await TestServer.start({ args: ['--demo'] });
  await server.untilLive('demo');
});

afterAll(() => server.stop());

/** The commands of a guide that call REST, in their order. */
function commandsOf(guide: string): string[] {
  const text = readFileSync(join(ROOT, 'docs', guide), 'utf8');
  return [...text.matchAll(/^curl .*$/gm)].map(([command]) => command);
}

/** The same for this server, with servers elsewhere that are not there. */
function here(command: string): string {
  return command
    .replaceAll('localhost:8081', `localhost:${server.httpPort}`)
    .replaceAll('a.rtmp.youtube.com', '127.0.0.1:9')
    .replaceAll('192.168.1.20:554', '127.0.0.1:9')
    .replaceAll('other:8443', '127.0.0.1:9')
    .replaceAll('"localStreamName":"here","remoteStreamName":"there"', '"localStreamName":"demo"');
}

describe.each(GUIDES)('the commands of docs/%s', (guide) => {
  it('are understood', () => {
    const commands = commandsOf(guide);
    expect(commands.length).toBeGreaterThan(0);
    for (const command of commands) {
      const answer = execFileSync('sh', ['-c', `${here(command)} -s -o - -w ' %{http_code}'`], { encoding: 'utf8' });
      expect(answer, command).toMatch(/ 200$/);
    }
  });
});

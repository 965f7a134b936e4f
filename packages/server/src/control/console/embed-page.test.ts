import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { OverviewPorts } from '@sluice/contract';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ControlFixture } from '../testing/control-fixture.ts';

const PAGE = '<title>embed</title><script type="application/json" id="server">{}</script><b></b>';

let fixture: ControlFixture;
let base: string;

beforeEach(async () => {
  fixture = new ControlFixture();
  mkdirSync(join(fixture.folder, 'assets'));
  writeFileSync(join(fixture.folder, 'index.html'), '<title>console</title>');
  writeFileSync(join(fixture.folder, 'embed.html'), PAGE);
  base = await fixture.start();
});

afterEach(() => fixture.close());

function ancestors(response: Response): string | undefined {
  const policy = response.headers.get('content-security-policy') ?? '';
  return /frame-ancestors ([^;]*)/.exec(policy)?.[1];
}

describe('the page to embed', () => {
  it.each(['/embed?stream=cam', '/embed_player?urlServer=ws%3A%2F%2Fhost&streamName=cam'])(
    'may be framed by every site and knows the ports (%s)',
    async (path) => {
      const response = await fetch(`${base}${path}`);
      expect(response.status).toBe(200);
      expect(response.headers.get('content-type')).toContain('text/html');
      expect(response.headers.get('cache-control')).toBe('no-cache');
      expect(response.headers.get('x-frame-options')).toBeNull();
      expect(ancestors(response)).toBe('*');
      const written = /id="server">(.*?)<\/script>/.exec(await response.text())?.[1] ?? '';
      const { ports, snapshots } = JSON.parse(written) as { ports: OverviewPorts; snapshots: boolean };
      expect(snapshots).toBe(false);
      expect(ports).toMatchObject({ http: Number(new URL(base).port), https: 0, hls: 8082, mse: true });
      expect(Object.keys(ports)).not.toContain('rtmp');
    },
  );

  it('is found from a path with a slash at its end, where its files would not be', async () => {
    const response = await fetch(`${base}/embed/?stream=a%2Fb`, { redirect: 'manual' });
    expect(response.status).toBe(308);
    const target = new URL(response.headers.get('location') ?? '', `${base}/embed/?stream=a%2Fb`);
    expect(target.href).toBe(`${base}/embed?stream=a%2Fb`);
  });

  it('is the only page that others may frame', async () => {
    for (const path of ['/', '/index.html', '/embed.html']) {
      const response = await fetch(`${base}${path}`);
      expect([path, response.status, ancestors(response)]).toEqual([path, 200, "'self'"]);
    }
  });

  it("tells the server's time, uncached", async () => {
    const before = Date.now();
    const response = await fetch(`${base}/embed/time`);
    const { nowMs } = (await response.json()) as { nowMs: number };
    expect(response.headers.get('cache-control')).toBe('no-store');
    expect(Math.abs(nowMs - before)).toBeLessThan(5000);
  });
});

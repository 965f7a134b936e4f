import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import type { ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { type ScriptedAnswer, StrictBackEnd } from '../packages/server/src/control/hooks/testing/strict-back-end.ts';
import { TestClient } from '../packages/server/src/protocols/rtmp/testing/client.ts';
import { Ffmpeg, makeClip, readPacketSums } from './support/ffmpeg.ts';
import { ROOT, TestServer } from './support/server.ts';

const SLUICE = join(ROOT, 'packages/server/bin/sluice.mjs');
const run = promisify(execFile);

let folder: string;
let clip: string;
let server: TestServer;
let backEnd: StrictBackEnd;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-hooks-'));
  clip = join(folder, 'clip.flv');
  makeClip(clip, { seconds: 60, gop: 25, size: '320x180' });
  server = await TestServer.start({
    settings: {
      rest_request_timeout: 3,
      // Five applications share them: the 40 hooks that are never answered must leave some to those that are.
      rest_max_connections: 400,
      publisher_reconnect_wait: 0,
      keep_alive_streaming_sessions_enabled: 'true',
      streaming_sessions_keep_alive_interval: 200,
      streaming_sessions_keep_alive_app_keys: 'kept',
    },
  });
});

afterAll(async () => {
  await server.stop();
  rmSync(folder, { recursive: true, force: true });
});

beforeEach(async () => {
  backEnd = await StrictBackEnd.start();
});

afterEach(async () => {
  await backEnd.close();
  expect(backEnd.faults).toEqual([]);
});

/** Adds an application by the command line, beside the running server, and waits until the server knows it. */
async function addApplication(key: string, ...hooks: readonly string[]): Promise<void> {
  const inFolder = ['--data-dir', server.folder];
  await run(process.execPath, [SLUICE, 'apps', 'add', key, ...inFolder, '--key', key, '--url', backEnd.url]);
  for (const hook of hooks) await run(process.execPath, [SLUICE, 'apps', 'methods', key, ...inFolder, '--add', hook]);
  await vi.waitFor(
    async () => {
      const client = await TestClient.open(server.rtmpPort);
      await client.shake();
      client.command('connect', 1, { app: `live?appKey=${key}`, tcUrl: 'rtmp://127.0.0.1/live', objectEncoding: 0 });
      await client.until(() => true);
      const known = backEnd.hooks.includes('connect');
      await client.close();
      expect(known).toBe(true);
    },
    { timeout: 10_000, interval: 200 },
  );
  await vi.waitFor(() => expect(backEnd.story.at(-1)).toBe('ConnectionStatusEvent DISCONNECTED'));
  backEnd.received.length = 0;
}

function publish(url: string): Ffmpeg {
  return new Ffmpeg(['-v', 'error', '-re', '-i', clip, '-c', 'copy', '-f', 'flv', url]);
}

function live(app: string, name: string): string {
  return `rtmp://127.0.0.1:${server.rtmpPort}/${app}/${name}`;
}

async function untilStory(story: readonly string[]): Promise<void> {
  await vi.waitFor(() => expect(backEnd.story).toEqual(story), { timeout: 10_000 });
}

describe('the back end of an RTMP publisher', () => {
  it('hears its story in order, with what the publisher said', async () => {
    await addApplication('story');
    const publisher = publish(live('live?appKey=story&user=ann', 'cam?token=abc'));
    await server.untilLive('cam');
    await publisher.stop();
    await untilStory([
      'connect',
      'ConnectionStatusEvent ESTABLISHED',
      'publishStream NEW',
      'StreamStatusEvent PUBLISHING',
      'unPublishStream PUBLISHING',
      'StreamStatusEvent UNPUBLISHED',
      'ConnectionStatusEvent DISCONNECTED',
    ]);
    expect(backEnd.bodies('connect')[0]).toMatchObject({ appKey: 'story', custom: { user: 'ann' } });
    expect(backEnd.bodies('publishStream')[0]).toMatchObject({
      name: 'cam',
      published: true,
      mediaProvider: 'Flash',
      custom: { token: 'abc' },
    });
    const ids = new Set(backEnd.received.map(({ body }) => body['sessionId']));
    expect(ids.size).toBe(1);
    expect(server.output).not.toContain('abc');
  });

  it('may refuse its connection, and the encoder is told', async () => {
    await addApplication('refused');
    backEnd.answer = () => ({ status: 403 });
    const publisher = publish(live('live?appKey=refused', 'never'));
    expect(await publisher.exited).not.toBe(0);
    await untilStory(['connect', 'ConnectionStatusEvent FAILED']);
    expect(await server.streamNames()).not.toContain('never');
  });

  it('may publish it under another name', async () => {
    await addApplication('renamed');
    const policy = { restPolicy: 'OVERWRITE', restOverwrite: 'name', restOnError: 'FAIL' };
    backEnd.answer = (hook, body) => {
      if (hook === 'connect') return { body: { ...body, restClientConfig: { publishStream: policy } } };
      return hook === 'publishStream' ? { body: { ...body, name: 'secret-name' } } : undefined;
    };
    const publisher = publish(live('live?appKey=renamed', 'public-name'));
    await server.untilLive('secret-name');
    expect(await server.streamNames()).not.toContain('public-name');
    await publisher.stop();
  });

  it('may end a stream by its answer to a keep-alive', async () => {
    await addApplication('kept', 'StreamKeepAliveEvent');
    const policy = { StreamKeepAliveEvent: { restOnError: 'FAIL', restExclude: 'sdp' } };
    let refuse = false;
    backEnd.answer = (hook, body) => {
      if (hook === 'connect') return { body: { ...body, restClientConfig: policy } };
      return hook === 'StreamKeepAliveEvent' && refuse ? { status: 403 } : undefined;
    };
    const publisher = publish(live('live?appKey=kept', 'guest'));
    await vi.waitFor(() => expect(backEnd.bodies('StreamKeepAliveEvent').length).toBeGreaterThan(2), 15_000);
    expect(await server.streamNames()).toContain('guest');
    refuse = true;
    expect(await publisher.exited).not.toBe(0);
    await vi.waitFor(() => {
      const last = backEnd.bodies('StreamStatusEvent').at(-1);
      expect(last).toMatchObject({ info: 'Terminated by keep-alive' });
    });
  });
});

/** What a back end that has gone wrong may do with one request. */
const FAULTS: Readonly<Record<string, ScriptedAnswer>> = {
  silent: () => {},
  error: { status: 500, body: {} },
  garbage: { text: '<html>not { JSON' },
  huge: (response: ServerResponse) => {
    response.writeHead(200, { 'content-type': 'application/json' });
    response.end(`{"name":"${'x'.repeat(10_000_000)}"}`);
  },
  cut: (response: ServerResponse) => {
    response.writeHead(200, { 'content-length': '1000' });
    response.write('{"name":', () => response.socket?.destroy());
  },
};

describe('a back end that has gone wrong, under 200 publishers at once', () => {
  it('leaves the media of others alone, memory bounded, and each publisher with what its policy says', async () => {
    await addApplication('wrong');
    backEnd.answer = (hook, body) => {
      const [fault = '', onError] = String((body['custom'] as { how?: string } | undefined)?.how).split('-');
      if (hook === 'connect') {
        const publishStream = { restOnError: onError, restPolicy: 'OVERWRITE', restOverwrite: 'name' };
        return { body: { ...body, restClientConfig: { publishStream } } };
      }
      return hook === 'publishStream' ? FAULTS[fault] : undefined;
    };
    const bystander = publish(server.rtmp('bystander'));
    await server.untilLive('bystander');
    const recording = join(folder, 'bystander.txt');
    const url = server.rtmp('bystander');
    const player = new Ffmpeg([
      '-v',
      'error',
      '-i',
      url,
      '-map',
      '0:v',
      '-c',
      'copy',
      '-t',
      '12',
      '-f',
      'framemd5',
      recording,
    ]);
    const before = await residentBytes();
    const asked = Object.keys(FAULTS).flatMap((fault) => ['LOG', 'FAIL'].map((onError) => `${fault}-${onError}`));
    const outcomes = await Promise.all(
      asked.flatMap((how) => Array.from({ length: 20 }, (_, i) => outcome(how, `${how}-${i}`))),
    );
    expect(outcomes).toHaveLength(200);
    for (const { how, code } of outcomes) {
      const allowed = how.endsWith('LOG');
      expect(code === 'NetStream.Publish.Start', `${how}: ${String(code)}`).toBe(allowed);
    }
    expect((await residentBytes()) - before).toBeLessThan(200e6);
    expect(await player.exited, player.stderr).toBe(0);
    expect(player.stderr).toBe('');
    await bystander.stop();
    const steps = readPacketSums(recording).map(({ dts }, i, all) => dts - (all[i - 1]?.dts ?? dts - 40));
    expect(steps.length).toBeGreaterThan(250);
    expect(new Set(steps)).toEqual(new Set([40]));
  });

  /** What one publisher gets to hear: a status, or that its connection was closed. */
  async function outcome(how: string, name: string): Promise<{ readonly how: string; readonly code: unknown }> {
    const client = await TestClient.connect(server.rtmpPort, `live?appKey=wrong&how=${how}`);
    const { code } = await client.publish(`${name}?how=${how}`).catch(() => ({ code: 'closed' }));
    await client.close();
    return { how, code };
  }

  async function residentBytes(): Promise<number> {
    const text = await (await fetch(server.http('/metrics'))).text();
    return Number(/^process_resident_memory_bytes (\S+)$/m.exec(text)?.[1]);
  }
});

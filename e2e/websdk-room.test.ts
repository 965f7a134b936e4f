import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { findRecordings } from './support/recordings.ts';
import { ROOT } from './support/server.ts';
import { RoomPage } from './support/websdk/room-page.ts';
import { SdkPages } from './support/websdk/sdk-pages.ts';
import { SdkServer } from './support/websdk/sdk-server.ts';

let pages: SdkPages;
let server: SdkServer;

beforeAll(async () => {
  [pages, server] = await Promise.all([SdkPages.start(), SdkServer.start()]);
});

afterAll(async () => {
  await pages.close();
  await server.stop();
});

async function enter(username: string, record = false): Promise<RoomPage> {
  return RoomPage.join(await pages.openBare('/room'), server.url, { username, record });
}

describe('three pages with the Room API of the Web SDK', () => {
  it('join, publish, watch each other, chat, leave, crash and come back, and each hears of it in order', async () => {
    const ann = await enter('ann');
    await ann.told('STATE');
    await ann.publish();
    const bob = await enter('bob');
    await bob.told('STATE', '  has ann hall-ann-####');
    await bob.watch('ann');
    const carl = await enter('carl', true);
    await carl.told('STATE', '  has ann hall-ann-####', '  has bob');
    await carl.publish('screenShare');
    await bob.told(...['STATE', '  has ann hall-ann-####', 'JOINED carl'], 'PUBLISHED carl hall-carl-####-screenShare');
    await ann.told('STATE', 'JOINED bob', 'JOINED carl', 'PUBLISHED carl hall-carl-####-screenShare');
    const watched = await ann.watch('carl');
    await ann.say('carl', 'hello carl');
    await vi.waitFor(async () => expect(await carl.events()).toContain('MESSAGE ann hello carl'));
    await carl.say('ann', 'hello ann');
    await vi.waitFor(async () => expect(await ann.events()).toContain('MESSAGE carl hello ann'));
    await bob.leave();
    await carl.told('STATE', '  has ann hall-ann-####', '  has bob', 'MESSAGE ann hello carl', 'LEFT bob');
    await carl.crash();
    await ann.status(watched, 'FAILED Stopped by publisher stop');
    // Without streams: UNPUBLISHED came before.
    const before = [
      ...['STATE', 'JOINED bob', 'JOINED carl', 'PUBLISHED carl hall-carl-####-screenShare'],
      ...['MESSAGE carl hello ann', 'LEFT bob', 'LEFT carl'],
    ];
    await ann.told(...before);
    const carlAgain = await enter('carl');
    await carlAgain.told('STATE', '  has ann hall-ann-####');
    await carlAgain.watch('ann');
    const other = await enter('carl');
    await other.told('FAILED Login "carl" is in the room already');
    await ann.told(...before, 'JOINED carl');
    for (const page of [ann, bob, carlAgain, other]) expect(await page.faults()).toEqual([]);
    await pages.closeAll();
  });

  it('have both streams of the room in a file each: what was there before the wish, and what came after it', async () => {
    await vi.waitFor(
      async () => {
        const recordings = await findRecordings(server.server, {});
        const named = recordings.map(({ streamName, state }) => `${streamName.replace(/-[0-9a-f]{4}/, '')} ${state}`);
        expect(named.sort()).toEqual(['hall-ann complete', 'hall-carl-screenShare complete']);
      },
      { timeout: 15_000, interval: 200 },
    );
    for (const recording of await findRecordings(server.server, {})) {
      expect(recording.tracks.map(({ kind }) => kind).sort()).toEqual(['audio', 'video']);
      expect(recording.durationMs).toBeGreaterThan(500);
    }
  });

  it('see and hear each other with the page of the guide', async () => {
    const guide = readFileSync(join(ROOT, 'docs/use-rooms.md'), 'utf8');
    const html = /```html test\n([\s\S]*?)```/.exec(guide)?.[1] ?? '';
    const own = await pages.openText(html.replace('ws://localhost:8080', server.url));
    await own.waitForFunction(() => document.getElementById('status')?.textContent === 'connected');
    const other = await pages.openText(html.replace('ws://localhost:8080', server.url));
    for (const page of [own, other]) {
      await page.waitForFunction(() => {
        const moving = [...document.querySelectorAll('video')].filter(({ currentTime: s }) => s > 0.5);
        return moving.length === 2 && document.querySelectorAll('#others video').length === 1;
      });
    }
    // And in the console.
    const rooms = await pages.openUrl(server.server.http('/#/rooms'));
    await expect.poll(() => rooms.getByTestId('room-member').count(), { timeout: 15_000 }).toBe(2);
    expect(await rooms.getByTestId('room-member').first().getByRole('link').textContent()).toMatch(/^hall-guest-/);
    await other.close();
    await own.waitForFunction(() => document.querySelectorAll('#others div').length === 0);
  });

  it('leave nothing behind on the server', async () => {
    await pages.closeAll();
    await vi.waitFor(async () => expect(await server.mediaSessions()).toEqual([]), { timeout: 15_000 });
    expect(server.output).not.toMatch(/"level":[56]0/);
  });
});

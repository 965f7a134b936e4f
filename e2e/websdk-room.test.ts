import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
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

async function join(username: string): Promise<RoomPage> {
  return RoomPage.join(await pages.openBare('/room'), server.url, username);
}

describe('three pages with the Room API of the Web SDK', () => {
  it('join, publish, watch each other, chat, leave, crash and come back, and each hears of it in order', async () => {
    const ann = await join('ann');
    await ann.told('STATE');
    await ann.publish();
    const bob = await join('bob');
    await bob.told('STATE', '  has ann hall-ann-####');
    await bob.watch('ann');
    const carl = await join('carl');
    await carl.told('STATE', '  has ann hall-ann-####', '  has bob');
    await carl.publish('screenShare');
    await bob.told(...['STATE', '  has ann hall-ann-####', 'JOINED carl'], 'PUBLISHED carl hall-carl-####-screenShare');
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
    const carlAgain = await join('carl');
    await carlAgain.told('STATE', '  has ann hall-ann-####');
    await carlAgain.watch('ann');
    const other = await join('carl');
    await other.told('FAILED Login "carl" is in the room already');
    await ann.told(...before, 'JOINED carl');
    for (const page of [ann, bob, carlAgain, other]) expect(await page.faults()).toEqual([]);
  });

  it('leave nothing behind on the server', async () => {
    await pages.closeAll();
    await vi.waitFor(async () => expect(await server.mediaSessions()).toEqual([]), { timeout: 15_000 });
    expect(server.output).not.toMatch(/"level":[56]0/);
  });
});

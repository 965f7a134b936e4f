import { Agent, request } from 'node:http';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { SocketPairs } from '../../../io/testing/socket-pairs.ts';
import { PUBLISHER } from '../testing/fakes.ts';
import { makeRig, packets, publish, push, type Rig, urisOf, useRigs } from '../testing/published-rig.ts';
import { sendAtOnce } from './send-at-once.ts';

const PATH = '/test/test.m3u8';

let agent: Agent;
let rig: Rig;

useRigs();

beforeEach(async () => {
  agent = new Agent({ keepAlive: true, maxSockets: 1 });
  rig = await makeRig();
});

afterEach(() => agent.destroy());

/** By the one connection, as a player does. */
function get(path: string) {
  return new Promise<{ status: number | undefined; text: string; port: number | undefined }>((resolve, reject) => {
    const sent = request(`${rig.base}${path}`, { agent }, (response) => {
      const port = response.socket.localPort;
      let text = '';
      response.setEncoding('latin1').on('data', (piece: string) => {
        text += piece;
      });
      response.on('end', () => resolve({ status: response.statusCode, text, port }));
    });
    sent.on('error', reject);
    sent.end();
  });
}

const viewers = () => [...rig.sessions.all()].map((session) => session.describe());

describe('the same request on the same connection', () => {
  it('is answered as things are by then, and counted each time', async () => {
    const stream = publish(rig);
    const one = await get(PATH);
    const other = await get(`${PATH}?token=x`);
    expect(other.text).toContain('?token=x');
    const segment = await get(`/test/${urisOf(one.text)[0]}`);
    expect(await get(PATH)).toEqual(one);
    expect(await get(PATH)).toEqual(one);
    expect(viewers().map(({ bytesOut }) => bytesOut)).toEqual([
      3 * one.text.length + other.text.length + segment.text.length,
    ]);
    push(stream, packets, 7_000_000);
    const later = await get(PATH);
    expect(later.port).toBe(one.port);
    expect(urisOf(later.text).length).toBeGreaterThan(urisOf(one.text).length);
    rig.streams.unpublish(stream, PUBLISHER, 'over');
    expect((await get(PATH)).text).toContain('#EXT-X-ENDLIST');
  });

  it('is refused when its viewer was sent away, and begins a session when that is over', async () => {
    publish(rig);
    for (let i = 0; i < 3; i++) await get(PATH);
    const [before] = viewers();
    for (const session of [...rig.sessions.all()]) session.close('kicked');
    expect([(await get(PATH)).status, (await get(PATH)).status]).toEqual([403, 403]);
    rig.ticker.tickIn(10_500);
    expect((await get(PATH)).status).toBe(200);
    expect(viewers()).toHaveLength(1);
    expect(viewers()[0]?.mediaSessionId).not.toBe(before?.mediaSessionId);
  });
});

it('what the system does not take at once follows in order', async () => {
  const pairs = await SocketPairs.start();
  const got: Buffer[] = [];
  try {
    const { here, there } = await pairs.open();
    const pieces = Array.from({ length: 400 }, (_, i) => Buffer.alloc(64 * 1024, i));
    for (const piece of pieces) sendAtOnce(here, piece);
    expect(here.writableLength).toBeGreaterThan(0);
    there.on('data', (bytes: Buffer) => got.push(bytes));
    const whole = Buffer.concat(pieces);
    await expect.poll(() => there.bytesRead, { timeout: 10_000 }).toBe(whole.length);
    expect(Buffer.concat(got).equals(whole)).toBe(true);
    const closed = new Promise((resolve) => here.once('close', resolve));
    here.destroy();
    await closed;
    sendAtOnce(here, Buffer.from('nobody'));
  } finally {
    pairs.close();
  }
});

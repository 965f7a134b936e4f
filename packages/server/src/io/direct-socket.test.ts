import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { DirectSocket } from './direct-socket.ts';
import { SocketPairs } from './testing/socket-pairs.ts';

let pairs: SocketPairs;

beforeEach(async () => {
  pairs = await SocketPairs.start();
});

afterEach(() => pairs.close());

/** Who writes to a socket beside Node, until it has to leave. */
async function marching() {
  const { here, there } = await pairs.open();
  const direct = DirectSocket.of(here) ?? expect.fail('a plain socket');
  const marcher = {
    encodedBytes: 0,
    left: 0,
    /** The system's number of the socket when it had to leave. */
    descriptor: -1,
    leave() {
      marcher.left++;
      marcher.descriptor = direct.descriptor;
      direct.unwatch();
    },
  };
  direct.watch(marcher);
  return { here, there, direct, marcher };
}

it('who writes beside Node leaves before Node writes, one piece or several', async () => {
  const { here, there, direct, marcher } = await marching();
  let came = '';
  there.on('data', (bytes: Buffer) => {
    came += bytes.toString();
  });
  here.write('one');
  expect(marcher.left).toBe(1);
  direct.watch(marcher);
  here.cork();
  here.write('two');
  here.write('three');
  here.uncork();
  expect(marcher.left).toBe(2);
  await vi.waitFor(() => expect(came).toBe('onetwothree'));
});

it('who writes beside Node leaves while the number of the socket is still its own', async () => {
  for (const how of ['destroy', 'resetAndDestroy'] as const) {
    const { here, direct, marcher } = await marching();
    here.on('error', () => {});
    here[how]();
    expect(marcher.left).toBe(1);
    await vi.waitFor(() => expect(direct.descriptor).toBe(-1));
  }
  const { here, there, marcher } = await marching();
  here.resume();
  there.resetAndDestroy();
  await vi.waitFor(() => expect(here.destroyed).toBe(true));
  expect(marcher.left).toBe(1);
});

it('what was written beside Node counts, before and after', async () => {
  const { direct, marcher } = await marching();
  marcher.encodedBytes = 100;
  expect(direct.bytesWritten).toBe(100);
  marcher.leave();
  marcher.encodedBytes = 500;
  expect(direct.bytesWritten).toBe(100);
});

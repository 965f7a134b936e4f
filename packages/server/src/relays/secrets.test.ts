import { afterEach, beforeEach, expect, it } from 'vitest';
import { RelayRig } from './testing/relay-rig.ts';

const CAMERA = 'rtsp://user:hush@camera.example/one?channel=2&password=hush';

let rig: RelayRig;
beforeEach(() => {
  rig = new RelayRig();
});
afterEach(() => rig.close());

it('the key of a stream at a service is neither logged nor told to back ends', async () => {
  rig.publish('room');
  const url = 'rtmp://camera.example/live2/abcd-KEY?backup=KEY';
  await rig.relays.push({ streamName: 'room', url, fullUrl: true });
  await expect.poll(() => rig.states.length).toBeGreaterThan(0);
  expect(rig.rtmp.last.attempt.url).toBe(url);
  const told = JSON.stringify([rig.hub.log.lines, rig.access.calls]);
  expect(told).not.toContain('KEY');
  expect(told).toContain('rtmp://camera.example/live2/…');
});

it('the password of a camera, whose address is the name of its stream, does not go out with a push of it', async () => {
  rig.publish(CAMERA);
  await rig.relays.push({ streamName: CAMERA, url: 'rtmp://camera.example/live' });
  await rig.relays.push({ streamName: CAMERA, url: 'ws://camera.example' });
  const told = 'rtsp://camera.example/one?channel=2&password=';
  expect(rig.rtmp.last.attempt).toMatchObject({ streamName: told });
  expect(rig.servers.last.attempt).toMatchObject({ remoteStreamName: told });
  expect(rig.relays.all().map(({ streamName }) => streamName)).toEqual([CAMERA, CAMERA]);
});

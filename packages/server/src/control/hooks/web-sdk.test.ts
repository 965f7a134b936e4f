import { SENT_HOOKS } from '@sluice/contract';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { OFFER } from '../signalling/testing/memory-gateway.ts';
import { SignallingFixture } from '../signalling/testing/signalling-fixture.ts';
import { AccessRig } from './testing/access-rig.ts';

let rig: AccessRig;
let fixture: SignallingFixture;

beforeEach(async () => {
  rig = await AccessRig.start();
  fixture = await SignallingFixture.start({}, 0, { access: rig.access });
});

afterEach(async () => {
  await fixture.close();
  await rig.close();
});

const CONNECTION = {
  appKey: 'app',
  keepAlive: false,
  clientInfo: { mobile: false },
  custom: { user: { id: 7 } },
  sipLogin: '1001',
  sipPassword: 'secret',
  sipPort: '5060',
  sipDomain: 'example.com',
};

it('all that a Web SDK client can do is told with the fields of the contract, and no others', async () => {
  const publisher = await fixture.client(CONNECTION);
  const limits = { width: '640', height: 480, bitrate: 1000, maxBitrate: '2000', quality: 5, cvoExtension: true };
  const options = { transport: 'TCP', custom: { a: 1 }, constraints: { video: true }, localMediaInfo: { os: 'x' } };
  publisher.publish('p1', 'room', { sdp: OFFER, ...limits, ...options });
  await publisher.next('setRemoteSDP');
  fixture.gateway.peer('p1').activate();
  await publisher.status('p1', 'PUBLISHING');
  const player = await fixture.client({ appKey: 'app' });
  player.play('v1', 'room', { sdp: OFFER });
  await player.next('setRemoteSDP');
  fixture.gateway.peer('v1').activate();
  await player.status('v1', 'PLAYING');
  publisher.send('sendStreamEvent', { mediaSessionId: 'p1', type: 'audioMuted' });
  publisher.send('sendStreamEvent', { mediaSessionId: 'p1', type: 'data', payload: { x: [1] } });
  publisher.send('sendData', { operationId: 'o1', payload: { y: 1 } });
  publisher.send('snapshot', { mediaSessionId: 's1', name: 'room' });
  publisher.send('submitBugReport', { text: 'no picture', type: 'no_video', anything: { z: 1 } });
  publisher.send('pushLogs', { logs: 'line' });
  publisher.send('sessionDebug', { command: 'start' });
  await publisher.next('notifySessionDebugEvent');
  player.play('v2', 'nobody', { sdp: OFFER });
  player.send('stopStream', { mediaSessionId: 'v1', name: 'room' });
  await player.status('v1', 'STOPPED');
  publisher.send('unPublishStream', { mediaSessionId: 'p1', name: 'room' });
  await publisher.status('p1', 'UNPUBLISHED');
  publisher.close();
  player.close();
  await vi.waitFor(() => expect(rig.backEnd.bodies('ConnectionStatusEvent')).toHaveLength(4));
  await vi.waitFor(() => expect(rig.access.heldEvents).toBe(0));
  expect(rig.backEnd.faults).toEqual([]);
  const unheard = ['playHLS', 'playRTSP', 'pauseStream', 'sendBugReport', 'StreamKeepAliveEvent', 'RelayStatusEvent'];
  expect(new Set(rig.backEnd.hooks)).toEqual(new Set(SENT_HOOKS.filter((hook) => !unheard.includes(hook))));
  expect(rig.lines.join('\n')).not.toContain('secret');
});

import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { H264, packet } from '../core/testing/adaptation-fixture.ts';
import { AutoPush } from './index.ts';
import { RelayRig } from './testing/relay-rig.ts';

const CAMERA = 'rtsp://user:hush@camera.example/one';
const TARGET = 'rtmp://camera.example/live';

let rig: RelayRig;
beforeEach(() => {
  rig = new RelayRig();
});
afterEach(() => rig.close());

/** The relay that there is. */
const only = () => rig.relays.all()[0];
const state = () => only()?.state;

describe('a pull', () => {
  it('publishes its stream at once, and tells where it stands', async () => {
    const facts = await rig.relays.pull({ url: CAMERA, streamName: 'cam', record: true, appKey: 'app' });
    expect(facts).toMatchObject({
      direction: 'pull',
      url: CAMERA,
      streamName: 'cam',
      state: 'connecting',
      attempts: 1,
    });
    const stream = rig.hub.streams.get('cam');
    expect(stream?.publisher?.recording).toMatchObject({
      mediaSessionId: facts.mediaSessionId,
      wanted: true,
      appKey: 'app',
    });
    const session = rig.hub.sessions.get(facts.mediaSessionId);
    expect(session?.describe()).toMatchObject({ status: 'PENDING', mediaType: 'publish', mediaProvider: 'Scripted' });
    const { last } = rig.cameras;
    last.numbers = { bytesIn: 5, packets: 2, drops: { broken: 1 }, lostPackets: 3, remoteMediaSessionId: 'there' };
    last.attempt.events.onConnected();
    last.attempt.events.onNote('the sound is left out');
    last.attempt.events.onNote('the sound is left out');
    expect(state()).toBe('connected');
    last.attempt.events.onMedia();
    stream?.publish(packet(H264, 0, { key: true }));
    expect(only()).toMatchObject({
      state: 'running',
      hasVideo: true,
      hasAudio: false,
      notes: ['the sound is left out'],
      bytes: 5,
      lostPackets: 3,
      remoteMediaSessionId: 'there',
      record: true,
    });
    expect(session?.describe()).toMatchObject({ status: 'PUBLISHING', bytesIn: 5, remoteAddress: '192.0.2.1' });
    expect(rig.states).toEqual(['CONNECTING', 'CONNECTED', 'RUNNING']);
    expect(rig.access.calls[0]?.fields).toMatchObject({ appKey: 'app', name: 'cam', uri: 'rtsp://camera.example/one' });
  });

  it('is called as its address when it gets no name', async () => {
    await rig.relays.pull({ url: CAMERA });
    expect(rig.hub.streams.get(CAMERA)?.live).toBe(true);
  });

  it('keeps its stream over lost connections, and begins it anew before the tracks of the next one', async () => {
    await rig.relays.pull({ url: CAMERA, streamName: 'cam' });
    const stream = rig.hub.streams.get('cam');
    rig.cameras.last.run();
    stream?.publish(packet(H264, 0, { key: true }));
    const epoch = stream?.state.epoch ?? 0;
    rig.cameras.last.numbers = { bytesIn: 7 };
    rig.cameras.last.end('unreachable', 'the connection broke');
    await expect.poll(() => rig.cameras.links.length).toBe(2);
    expect(stream?.live).toBe(true);
    expect(stream?.state.video).toBeDefined();
    rig.cameras.last.attempt.events.onConnected();
    expect(stream?.state).toMatchObject({ video: undefined, epoch: epoch + 1 });
    rig.cameras.last.attempt.events.onMedia();
    rig.cameras.last.numbers = { bytesIn: 4 };
    expect(only()).toMatchObject({ state: 'running', attempts: 2, reconnects: 1, bytes: 11 });
    expect(only()?.lastError?.message).toBe('the connection broke');
    expect(rig.hub.counters.of('relay_failures')).toBe(1);
    expect(rig.hub.counters.of('relay_connections')).toBe(2);
  });

  it('waits longer each time, not beyond the limit, and the longest at once when it was refused', async () => {
    const pauses: number[] = [];
    await rig.close();
    rig = new RelayRig({ retry: { enabled: true, maxAttempts: 0, minMs: 20, maxMs: 100 } });
    await rig.relays.pull({ url: CAMERA });
    for (const code of ['unreachable', 'unreachable', 'stalled', 'unreachable', 'unreachable', 'refused'] as const) {
      const count = rig.cameras.links.length;
      rig.cameras.last.end(code);
      await expect.poll(state).toBe('waiting');
      pauses.push((only()?.nextAttemptAtMs ?? 0) - Date.now());
      await expect.poll(() => rig.cameras.links.length).toBe(count + 1);
    }
    const full = [20, 40, 80, 100, 100, 100];
    for (const [i, pause] of pauses.entries()) {
      expect(pause).toBeLessThanOrEqual((full[i] ?? 0) + 1);
      // Half of it is left to chance; some of it has passed.
      expect(pause).toBeGreaterThan((full[i] ?? 0) / 2 - 15);
    }
  });

  it('goes on as its publisher asks: key frames go to the connection that there is', async () => {
    rig.cameras.asksForKeyFrames = true;
    await rig.relays.pull({ url: CAMERA, streamName: 'cam' });
    const stream = rig.hub.streams.get('cam');
    expect(stream?.canRequestKeyFrame).toBe(true);
    stream?.requestKeyFrame();
    expect(rig.cameras.last.keyFramesAsked).toBe(1);
    rig.cameras.asksForKeyFrames = false;
    rig.cameras.last.end('ended');
    await expect.poll(() => rig.cameras.links.length).toBe(2);
    expect(stream?.canRequestKeyFrame).toBe(false);
  });

  it('asks for key frames also where the connection finds out only when it is agreed on that it can', async () => {
    await rig.relays.pull({ url: CAMERA, streamName: 'cam' });
    const stream = rig.hub.streams.get('cam');
    const { last } = rig.cameras;
    expect(stream?.canRequestKeyFrame).toBe(false);
    last.requestKeyFrame = () => void last.keyFramesAsked++;
    last.attempt.events.onConnected();
    expect(stream?.canRequestKeyFrame).toBe(true);
    stream?.requestKeyFrame();
    expect(last.keyFramesAsked).toBe(1);
    last.end('ended');
    expect(await last.ended.then(() => stream?.canRequestKeyFrame)).toBe(false);
  });

  it('ends when its session is ended, its stream or all that matches, each with the connection', async () => {
    for (const end of [
      (id: string) => rig.hub.sessions.get(id)?.close('by session'),
      () => rig.hub.streams.get('cam')?.publisher?.close('by stream'),
      (id: string) => expect(rig.relays.end(({ mediaSessionId }) => mediaSessionId === id, 'by match')).toBe(1),
    ]) {
      const { mediaSessionId } = await rig.relays.pull({ url: CAMERA, streamName: 'cam' });
      end(mediaSessionId);
      expect(rig.relays.all()).toEqual([]);
      expect(rig.hub.streams.get('cam')).toBeUndefined();
      await expect.poll(() => rig.cameras.open.size).toBe(0);
    }
    expect(rig.cameras.links.map(({ closed }) => closed)).toEqual(['by session', 'by stream', 'by match']);
    expect(rig.states.at(-1)).toBe('STOPPED');
  });

  it('connects anew only when the connection of the one before it is released', async () => {
    rig.cameras.closesSlowly = true;
    const { mediaSessionId } = await rig.relays.pull({ url: CAMERA, streamName: 'cam' });
    rig.relays.end((relay) => relay.mediaSessionId === mediaSessionId, 'enough');
    await rig.relays.pull({ url: CAMERA, streamName: 'cam' });
    await new Promise((resolve) => setTimeout(resolve, 30));
    expect(rig.cameras.links).toHaveLength(1);
    rig.cameras.closesSlowly = false;
    rig.cameras.links[0]?.end('closed');
    await expect.poll(() => rig.cameras.links.length).toBe(2);
  });

  it('is given up after so many failures in a row, with words for those who watch', async () => {
    await rig.close();
    rig = new RelayRig({ retry: { enabled: true, maxAttempts: 3, minMs: 5, maxMs: 5 } });
    rig.cameras.script = (link) => link.end('not_found');
    await rig.relays.pull({ url: CAMERA, streamName: 'cam' });
    const ended: string[] = [];
    rig.hub.streams.events.on('ended', (_stream, reason) => ended.push(reason));
    await expect.poll(() => rig.relays.all().length).toBe(0);
    expect(rig.cameras.links).toHaveLength(3);
    expect(ended).toEqual(['Rtsp stream not found']);
    expect(rig.hub.counters.of('relays_given_up')).toBe(1);
  });

  it('that an error of the server breaks is tried again and logged', async () => {
    Object.assign(rig.cameras, {
      pull: () => {
        throw new Error('a bug');
      },
    });
    await rig.relays.pull({ url: CAMERA });
    expect(only()).toMatchObject({ state: 'waiting', lastError: { message: 'a bug' } });
    expect(rig.hub.log.lines.some(({ level }) => level === 'error')).toBe(true);
  });

  it('from another server of ours asks for the stream by its name, and an address may lack its scheme', async () => {
    await rig.relays.pull({ url: 'camera.example:8080', streamName: 'one' });
    await rig.relays.pull({ url: 'ws://camera.example:8080', streamName: 'two', remoteStreamName: 'three' });
    expect(rig.servers.links.map(({ attempt }) => [attempt.url, attempt.remoteStreamName])).toEqual([
      ['ws://camera.example:8080', 'one'],
      ['ws://camera.example:8080', 'three'],
    ]);
    expect(only()?.url).toBe('camera.example:8080');
  });
});

describe('what can not be begun', () => {
  it.each([
    ['gopher://camera.example/', 'URL_INVALID'],
    ['rtsp://', 'URL_INVALID'],
    ['rtsp://inside.example/a', 'URL_DENIED'],
    ['rtsp://10.1.2.3/a', 'URL_DENIED'],
    ['rtsp://nowhere.example/a', 'HOST_UNKNOWN'],
  ])('%s is refused with %s', async (url, code) => {
    await expect(rig.relays.pull({ url })).rejects.toMatchObject({ code });
    expect(rig.hub.streams.size).toBe(0);
    expect(rig.hub.counters.of('outbound_denied')).toBe(code === 'URL_DENIED' ? 1 : 0);
  });

  it('is refused when it is there already, under whatever name it has in use', async () => {
    await rig.relays.pull({ url: CAMERA, streamName: 'cam' });
    await expect(rig.relays.pull({ url: CAMERA, streamName: 'cam' })).rejects.toMatchObject({ code: 'RELAY_BUSY' });
    const other = 'rtsp://camera.example/two';
    await expect(rig.relays.pull({ url: other, streamName: 'cam' })).rejects.toMatchObject({
      code: 'STREAM_NAME_BUSY',
    });
    await rig.relays.pull({ url: CAMERA, streamName: 'cam2' });
    const both = await Promise.allSettled([rig.relays.pull({ url: other }), rig.relays.pull({ url: other })]);
    expect(both.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
  });

  it('is refused beyond the limit of the settings', async () => {
    await rig.close();
    rig = new RelayRig({ maxRelays: 2 });
    const urls = ['a', 'b', 'c'].map((path) => `rtsp://camera.example/${path}`);
    const begun = await Promise.allSettled(urls.map((url) => rig.relays.pull({ url })));
    expect(begun.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'rejected']);
    await expect(rig.relays.pull({ url: CAMERA })).rejects.toMatchObject({ code: 'RELAY_LIMIT' });
  });

  it('names no password in messages', async () => {
    await rig.relays.pull({ url: CAMERA, streamName: CAMERA });
    const error = await rig.relays.pull({ url: CAMERA }).catch(String);
    expect(error).not.toContain('hush');
    rig.cameras.last.end('refused');
    expect(JSON.stringify(rig.hub.log.lines)).not.toContain('hush');
  });
});

describe('a push', () => {
  it('sends a stream for as long as it lives, and holds nobody up', async () => {
    const stream = rig.publish('s');
    const facts = await rig.relays.push({ streamName: 's', url: TARGET, fullUrl: true, origin: 'publisher' });
    expect(facts).toMatchObject({ direction: 'push', origin: 'publisher', options: { fullUrl: true }, muted: false });
    rig.rtmp.last.run();
    expect(stream.viewers).toBe(1);
    expect(rig.hub.sessions.get(facts.mediaSessionId)?.describe()).toMatchObject({
      status: 'PLAYING',
      mediaType: 'play',
    });
    rig.unpublish('s');
    expect(rig.relays.all()).toEqual([]);
    expect(rig.rtmp.last.closed).toBe('left');
    expect(stream.viewers).toBe(0);
  });

  it('outlives a publisher that is away for a moment, also while it has no connection', async () => {
    await rig.close();
    rig = new RelayRig({ rtmpPushRetry: { enabled: true, maxAttempts: 0, minMs: 60_000, maxMs: 60_000 } }, 60_000);
    const stream = rig.publish('s');
    await rig.relays.push({ streamName: 's', url: TARGET });
    rig.rtmp.last.end('unreachable');
    await expect.poll(state).toBe('waiting');
    rig.unpublish('s');
    expect(state()).toBe('waiting');
    expect(rig.publish('s')).toBe(stream);
    expect(state()).toBe('waiting');
  });

  it('needs a stream, and not one that comes from there', async () => {
    await expect(rig.relays.push({ streamName: 's', url: TARGET })).rejects.toMatchObject({ code: 'STREAM_NOT_FOUND' });
    await rig.relays.pull({ url: CAMERA, streamName: 'cam' });
    await expect(rig.relays.push({ streamName: 'cam', url: CAMERA })).rejects.toMatchObject({ code: 'URL_INVALID' });
  });

  it('of an address that is not live has it pulled, and lets go of it at the end', async () => {
    rig.cameras.script = (link) => link.run();
    await rig.relays.push({ streamName: CAMERA, url: TARGET });
    expect(rig.relays.all().map(({ direction, origin }) => [direction, origin])).toEqual([
      ['pull', 'viewer'],
      ['push', 'api'],
    ]);
  });

  it('by RTMP ends with its first connection where the settings say so', async () => {
    await rig.close();
    rig = new RelayRig({ rtmpPushRetry: { enabled: false, maxAttempts: 0, minMs: 5, maxMs: 5 } });
    rig.publish('s');
    await rig.relays.push({ streamName: 's', url: TARGET });
    await rig.relays.push({ streamName: 's', url: 'rtsp://camera.example/push' });
    rig.rtmp.last.run();
    rig.rtmp.last.end('ended');
    rig.cameras.last.end('unreachable');
    await expect.poll(() => rig.cameras.links.length).toBe(2);
    expect(rig.relays.all().map(({ protocol }) => protocol)).toEqual(['rtsp']);
    expect(rig.rtmp.links).toHaveLength(1);
  });

  it('counts what its connections were too slow for, all together', async () => {
    rig.publish('s');
    await rig.relays.push({ streamName: 's', url: TARGET });
    rig.rtmp.last.run();
    rig.rtmp.last.numbers = { bytesOut: 10, drops: { slow_viewer: 3, not_carried: 5 } };
    rig.rtmp.last.end('stalled');
    await expect.poll(() => rig.rtmp.links.length).toBe(2);
    rig.rtmp.last.numbers = { bytesOut: 1, drops: { slow_viewer: 2 }, queuedBytes: 9 };
    expect(only()).toMatchObject({ bytes: 11, drops: { slow_viewer: 5, not_carried: 5 } });
    rig.relays.end(() => true, 'enough');
    await expect.poll(() => rig.hub.counters.of('relay_dropped_packets')).toBe(5);
  });

  it('is the same only by address and name together', async () => {
    rig.publish('a');
    rig.publish('b');
    const push = (streamName: string, url: string) => rig.relays.push({ streamName, url });
    await push('a', TARGET);
    await push('b', TARGET);
    await push('a', `${TARGET}/other`);
    await expect(push('a', TARGET)).rejects.toMatchObject({ code: 'RELAY_BUSY' });
  });

  it('is not to be muted when it is none', async () => {
    const { mediaSessionId } = await rig.relays.pull({ url: CAMERA });
    for (const id of [mediaSessionId, 'none'])
      expect(() => rig.relays.setMuted(id, true)).toThrow(expect.objectContaining({ code: 'RELAY_NOT_FOUND' }));
    await expect(rig.relays.setSound('none', undefined)).rejects.toMatchObject({ code: 'RELAY_NOT_FOUND' });
  });
});

describe('states', () => {
  it('are told to back ends one by one, but not all of those of a connection that comes and goes', async () => {
    rig.cameras.script = (link) => {
      link.run();
      link.end('ended');
    };
    await rig.relays.pull({ url: CAMERA });
    await expect.poll(() => rig.cameras.links.length).toBeGreaterThan(8);
    expect(rig.states.length).toBeLessThanOrEqual(10);
    rig.relays.end(() => true, 'enough');
    expect(rig.states.at(-1)).toBe('STOPPED');
    const failed = rig.access.calls.find(({ fields }) => fields['status'] === 'WAITING');
    expect(failed?.fields).toMatchObject({ info: 'it is ended', attempts: 1, reconnects: 1 });
  });

  it('of a machine that is off are logged once', async () => {
    rig.cameras.script = (link) => link.end('unreachable');
    await rig.relays.pull({ url: CAMERA });
    await expect.poll(() => rig.cameras.links.length).toBeGreaterThan(5);
    expect(rig.hub.log.lines.filter(({ level }) => level === 'warn')).toHaveLength(1);
  });
});

describe('pushes by the settings', () => {
  const options = { url: 'rtmp://camera.example/{streamName}', streams: undefined, namePrefix: 'rtmp_' };
  const auto = (changed: object = {}) => {
    const push = new AutoPush({ ...rig.hub, relays: rig.relays }, { ...options, ...changed });
    push.start();
    return push;
  };
  const pushed = () => rig.rtmp.links.map(({ attempt }) => attempt.url);

  it('begin for each stream whose name fits, those that there are included', async () => {
    rig.publish('cam a/1');
    auto({ streams: /^cam/ });
    rig.publish('other');
    rig.publish('cam2');
    await expect.poll(pushed).toEqual(['rtmp://camera.example/cam%20a%2F1', 'rtmp://camera.example/cam2']);
    expect(rig.relays.all().map(({ origin, options: { fullUrl } }) => [origin, fullUrl])).toEqual([
      ['settings', true],
      ['settings', true],
    ]);
    rig.unpublish('cam2');
    rig.publish('cam2');
    await expect.poll(() => pushed().length).toBe(3);
  });

  it('do not go round in circles', async () => {
    const push = auto({ url: TARGET });
    rig.publish('s');
    await expect.poll(() => pushed().length).toBe(1);
    // Our own push comes in, and one that has been through two servers.
    rig.publish('rtmp_s');
    rig.publish('rtmp_rtmp_elsewhere');
    rig.publish('t');
    await expect.poll(() => rig.relays.all().map(({ streamName }) => streamName)).toEqual(['s', 't']);
    push.close();
    rig.publish('u');
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(pushed()).toHaveLength(2);
  });

  it('do not send streams back to where they come from', async () => {
    auto({ url: CAMERA });
    await rig.relays.pull({ url: CAMERA, streamName: 'cam' });
    rig.publish('s');
    await expect.poll(() => rig.relays.all().map(({ streamName }) => streamName)).toEqual(['cam', 's']);
  });

  it('wait for a host that is not known yet', async () => {
    auto({ url: 'rtmp://nowhere.example/live' });
    rig.publish('s');
    await expect.poll(() => pushed().length).toBe(1);
  });
});

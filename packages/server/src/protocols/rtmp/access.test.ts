import { spawn } from 'node:child_process';
import { type AmfObject, encodeAmf0, writeAacConfigTag } from '@sluice/media';
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { AccessAnswer, AccessCall } from '../../core/testing/scripted-access.ts';
import { ScriptedAccess } from '../../core/testing/scripted-access.ts';
import { DEFAULT_RTMP_OPTIONS, type RtmpOptions } from './options.ts';
import { commandOf, TestClient } from './testing/client.ts';
import { ASC, AVC_CONFIG, avcFrame, RtmpRig } from './testing/rig.ts';
import { MESSAGE, writeMessage } from './wire/chunk-writer.ts';

let access: ScriptedAccess;
let rig: RtmpRig;

async function start(answer: ScriptedAccess['answer'] = () => undefined, options: Partial<RtmpOptions> = {}) {
  access = new ScriptedAccess();
  access.answer = answer;
  rig = await RtmpRig.guardedBy(access, options);
}

/** Whatever a test did, each path tells of the end of what was admitted, once. */
afterEach(async () => {
  await rig.close();
  await vi.waitFor(() => expect(access.open).toBe(0));
  expect(access.problems).toEqual([]);
});

function deny(what: string, message: string): ScriptedAccess['answer'] {
  return (asked) => (asked === what ? { deny: message } : undefined);
}

function count(what: string): number {
  return access.calls.filter((call) => call.what === what).length;
}

function callOf(what: string): AccessCall {
  const call = access.calls.find((c) => c.what === what);
  if (call === undefined) throw new Error(`${what} was not called`);
  return call;
}

/** Answers one kind of question when it is told to. */
class Gate {
  readonly #what: string;
  #open: ((answer: AccessAnswer) => void) | undefined;

  constructor(what: string) {
    this.#what = what;
  }

  readonly answer = (what: string): AccessAnswer | Promise<AccessAnswer> => {
    if (what !== this.#what) return undefined;
    return new Promise((resolve) => {
      this.#open = resolve;
    });
  };

  async asked(): Promise<void> {
    await vi.waitFor(() => expect(this.#open).toBeDefined());
  }

  open(answer?: AccessAnswer): void {
    this.#open?.(answer);
    this.#open = undefined;
  }
}

describe('an RTMP peer that connects', () => {
  it('is introduced with the application and the parameters of its address, and is told of when it is in', async () => {
    await start();
    await rig.client('live?a=1&appKey=shop', { flashVer: 'FMLE/3.0', pageUrl: 'https://example.com/x' });
    const { fields } = callOf('connect');
    expect(fields).toMatchObject({ appKey: 'shop', protocol: 'rtmp', custom: { a: '1', appKey: 'shop' } });
    expect(fields['sessionId']).toMatch(/^\/127\.0\.0\.1:\d+\/127\.0\.0\.1:\d+$/);
    expect(fields['fields']).toMatchObject({
      clientVersion: 'FMLE/3.0',
      origin: 'https://example.com',
      keepAlive: false,
      useWsTunnel: false,
      login: expect.stringMatching(/^[\w-]{20}$/),
    });
    expect(access.whats).toEqual(['connect', 'established']);
    const [connection] = [...rig.hub.connections.all()];
    expect(connection?.describe()).toMatchObject({ appKey: 'shop', status: 'ESTABLISHED' });
  });

  it('belongs to the application of WCS for RTMP when it names none', async () => {
    await start();
    await rig.client();
    expect(callOf('connect').fields['appKey']).toBe('flashStreamingApp');
  });

  it('is refused with the words of the back end, then closed', async () => {
    await start(deny('connect', 'not you'));
    const peer = await TestClient.open(rig.server.port);
    await peer.shake();
    peer.command('connect', 1, { app: 'live' });
    const error = await peer.until((message) => commandOf(message)?.[0] === '_error');
    const [, id, , info] = commandOf(error) ?? [];
    expect([id, info]).toEqual([1, { level: 'error', code: 'NetConnection.Connect.Rejected', description: 'not you' }]);
    await peer.closed;
    expect(access.whats).toEqual(['connect']);
    expect(rig.hub.counters.of('rtmp_refused')).toBe(1);
  });

  it('is not timed out while the back end thinks, and not pinged', async () => {
    const gate = new Gate('connect');
    const supervision = { ...DEFAULT_RTMP_OPTIONS.supervision, keepAliveIntervalMs: 1, readTimeoutMs: 1 };
    await start(gate.answer, { handshakeTimeoutMs: 1, supervision: { ...supervision, keepAliveProbes: 0 } });
    const connecting = rig.client();
    await gate.asked();
    const [connection] = [...rig.hub.connections.all()];
    expect(connection?.describe().status).toBe('PENDING');
    // The checks of the server come once a second.
    const from = performance.now();
    await vi.waitFor(() => expect(performance.now() - from).toBeGreaterThan(2500), 5000);
    gate.open();
    await connecting;
    expect(rig.hub.counters.of('rtmp_silent_peers')).toBe(0);
  });

  it('and leaves while the back end thinks, is let go when the answer comes', async () => {
    const gate = new Gate('connect');
    await start(gate.answer);
    const peer = await TestClient.open(rig.server.port);
    await peer.shake();
    peer.command('connect', 1, { app: 'live' });
    await gate.asked();
    await peer.close();
    await vi.waitFor(() => expect(rig.hub.connections.size).toBe(0));
    expect(access.whats).toEqual(['connect']);
    gate.open();
    await vi.waitFor(() => expect(access.whats).toEqual(['connect', 'end']));
  });
});

describe('an RTMP publisher', () => {
  it('is asked about, told of and ended in order, with what the back end of WCS gets', async () => {
    await start();
    const peer = await rig.client();
    await peer.publish('cam?key=1');
    peer.command('FCUnpublish', 5, null, 'cam');
    peer.command('deleteStream', 6, null, 1);
    await vi.waitFor(() => expect(count('ended')).toBe(1));
    await peer.close();
    await vi.waitFor(() => expect(count('end')).toBe(1));
    expect(access.whats).toEqual(['connect', 'established', 'publish', 'active', 'stopping', 'ended', 'end']);
    expect(callOf('publish').fields).toMatchObject({
      name: 'cam',
      mediaProvider: 'Flash',
      hasVideo: false,
      hasAudio: true,
      custom: { key: '1' },
      fields: { record: false, width: 0, height: 0, bitrate: 0, minBitrate: 0, maxBitrate: 0, quality: 0 },
    });
    expect(callOf('active').fields['mediaSessionId']).toBe(callOf('publish').fields['mediaSessionId']);
    expect(callOf('ended').fields).toEqual({ name: 'cam', status: 'UNPUBLISHED', info: 'Stopped by user' });
    expect(callOf('end').fields).toEqual({ reason: 'Stopped by session disconnect' });
  });

  it('has its connection parameters as its own where that is set', async () => {
    await start(undefined, { mergeConnectionParameters: true });
    const peer = await rig.client('live?a=1&b=1');
    await peer.publish('cam?b=2');
    expect(callOf('publish').fields['custom']).toEqual({ a: '1', b: '2' });
  });

  it('is denied with the words of the back end; others go on', async () => {
    await start();
    const other = await rig.publisher('other');
    access.answer = (what) => (what === 'publish' ? { deny: 'not this one' } : undefined);
    const peer = await rig.client();
    const status = await peer.publish('cam');
    expect(status).toEqual({ level: 'error', code: 'NetStream.Publish.Denied', description: 'not this one' });
    await peer.closed;
    expect(rig.hub.counters.of('rtmp_refused')).toBe(1);
    other.send(MESSAGE.video, avcFrame(true), 0);
    await vi.waitFor(() => expect(rig.hub.streams.get('other')?.log.end).toBe(1));
    expect([rig.hub.streams.get('cam'), count('ended')]).toEqual([undefined, 0]);
  });

  it('publishes under the name that the back end chose, and never hears of it', async () => {
    await start((what) => (what === 'publish' ? { fields: { name: 'secret' } } : undefined));
    const peer = await rig.client();
    const status = await peer.publish('cam');
    expect(status['description']).toBe('cam is now published.');
    expect([...rig.hub.streams.all()].map(({ name }) => name)).toEqual(['secret']);
    expect(access.sessions[0]?.describe()).toMatchObject({ streamName: 'secret', status: 'PUBLISHING' });
    const second = await rig.client();
    const refused = await second.publish('cam');
    expect(refused).toMatchObject({ code: 'NetStream.Publish.BadName', description: 'Stream name is already in use' });
    await second.closed;
    expect(callOf('ended').fields).toMatchObject({ status: 'FAILED', info: 'Stream name is already in use' });
    peer.command('closeStream', 6, null);
    expect((await peer.status())['description']).toBe('cam is now unpublished.');
  });

  it('may send everything at once: nothing is lost or comes before the slow answer', async () => {
    const gate = new Gate('publish');
    await start(gate.answer);
    const peer = await TestClient.open(rig.server.port);
    rig.clients.push(peer);
    await peer.shake();
    const command = { chunkStreamId: 3, type: MESSAGE.command, streamId: 0, timestamp: 0 };
    const media = (type: number, body: Uint8Array, timestamp: number) =>
      writeMessage({ chunkStreamId: 4, type, streamId: 1, timestamp }, body, 128);
    const publish = [encodeAmf0('connect', 1, { app: 'live' }), encodeAmf0('publish', 2, null, 'cam', 'live')];
    peer.socket.write(
      Buffer.concat([
        ...publish.map((body) => writeMessage(command, body, 128)),
        media(MESSAGE.data, encodeAmf0('@setDataFrame', 'onMetaData', { title: 'one' }), 0),
        media(MESSAGE.video, AVC_CONFIG, 0),
        media(MESSAGE.audio, writeAacConfigTag(ASC), 0),
      ]),
    );
    await gate.asked();
    // Further pieces, torn apart, while the question is open.
    const frames = Buffer.concat([0, 40, 80].map((ms) => media(MESSAGE.video, avcFrame(ms === 0), ms)));
    for (let at = 0; at < frames.length; at += 50) {
      peer.socket.write(frames.subarray(at, at + 50));
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(rig.hub.streams.size).toBe(0);
    gate.open();
    await vi.waitFor(() => expect(rig.hub.streams.get('cam')?.log.end).toBe(3));
    expect(rig.hub.streams.get('cam')?.state.metadata).toEqual({ title: 'one' });
    expect(rig.hub.counters.of('rtmp_protocol_errors')).toBe(0);
  });

  it('that floods while the back end thinks is not read any more, and all of it arrives in the end', async () => {
    const gate = new Gate('publish');
    await start(gate.answer);
    const peer = await rig.client();
    peer.command('publish', 3, null, 'cam', 'live');
    await gate.asked();
    peer.send(MESSAGE.video, AVC_CONFIG);
    let sent = 0;
    const [connection] = [...rig.hub.connections.all()];
    const bytesIn = (): number => connection?.describe().bytesIn ?? 0;
    // More than what the systems of both ends keep for a connection that nobody reads.
    for (; sent < 400; sent++) peer.send(MESSAGE.video, avcFrame(true, 50_000), sent * 40);
    await vi.waitFor(() => expect(bytesIn()).toBeGreaterThan(256 * 1024));
    expect(bytesIn()).toBeLessThan(1024 * 1024);
    gate.open();
    const stream = await vi.waitFor(() => {
      const found = rig.hub.streams.get('cam');
      expect(found?.videoRate.packets).toBe(sent);
      return found;
    }, 10_000);
    expect(stream?.state.video).toBeDefined();
  }, 20_000);

  it('that leaves while the back end thinks never takes the name', async () => {
    const gate = new Gate('publish');
    await start(gate.answer);
    const peer = await rig.client();
    peer.command('publish', 3, null, 'cam', 'live');
    await gate.asked();
    await peer.close();
    await vi.waitFor(() => expect(rig.hub.connections.size).toBe(0));
    expect(count('end')).toBe(0);
    gate.open();
    await vi.waitFor(() => expect(count('end')).toBe(1));
    expect(access.whats).toEqual(['connect', 'established', 'publish', 'ended', 'end']);
    expect(callOf('ended').fields).toMatchObject({ status: 'FAILED', info: 'Stopped by session disconnect' });
    expect(rig.hub.streams.size).toBe(0);
  });

  it('does not hold the server up when it stops while the back end thinks', async () => {
    const gate = new Gate('publish');
    await start(gate.answer);
    const peer = await rig.client();
    peer.command('publish', 3, null, 'cam', 'live');
    await gate.asked();
    for (let i = 0; i < 100; i++) peer.send(MESSAGE.video, avcFrame(true, 50_000), i * 40);
    const [connection] = [...rig.hub.connections.all()];
    await vi.waitFor(() => expect(connection?.describe().bytesIn).toBeGreaterThan(256 * 1024));
    const from = performance.now();
    await rig.server.close();
    // Sooner than what a peer gets that does not take its last messages.
    expect(performance.now() - from).toBeLessThan(1500);
    gate.open();
    await vi.waitFor(() => expect(callOf('end').fields).toEqual({ reason: 'Requested stream shutdown' }));
  });

  it('is ended by the back end in the words of it', async () => {
    let close: ((reason: string) => void) | undefined;
    await start();
    const connect = access.connect.bind(access);
    access.connect = (client) => {
      close = (reason) => client.close(reason);
      return connect(client);
    };
    const peer = await rig.publisher('cam');
    close?.('Terminated by keep-alive');
    expect(await peer.status()).toMatchObject({
      code: 'NetStream.Publish.Failed',
      description: 'Terminated by keep-alive',
    });
    await peer.closed;
    expect(callOf('ended').fields).toMatchObject({ status: 'UNPUBLISHED', info: 'Terminated by keep-alive' });
  });

  it('of a codec that is not allowed has failed', async () => {
    await start();
    const peer = await rig.publisher('cam');
    // MP3, 44.1 kHz.
    peer.send(MESSAGE.audio, Uint8Array.of(0x2f, 0xff, 0xfb));
    await peer.closed;
    await vi.waitFor(() =>
      expect(callOf('ended').fields).toMatchObject({ status: 'FAILED', info: 'No common codecs' }),
    );
  });

  it('costs no question with its media', async () => {
    await start();
    const peer = await rig.publisher('cam');
    for (let ms = 0; ms < 4000; ms += 40) peer.send(MESSAGE.video, avcFrame(ms === 0), ms);
    await vi.waitFor(() => expect(rig.hub.streams.get('cam')?.log.end).toBe(100));
    expect(access.whats).toEqual(['connect', 'established', 'publish', 'active']);
  });
});

describe('an RTMP player', () => {
  async function published(name: string): Promise<void> {
    const source = await rig.publisher(name);
    source.send(MESSAGE.video, avcFrame(true), 0);
    await vi.waitFor(() => expect(rig.hub.streams.get(name)?.log.end).toBe(1));
    access.calls.length = 0;
  }

  it('is asked about, told of and stopped', async () => {
    await start();
    await published('cam');
    const player = await rig.client();
    await player.play('cam');
    await player.until((m) => m.type === MESSAGE.video);
    player.command('closeStream', 5, null);
    await vi.waitFor(() => expect(count('ended')).toBe(1));
    expect(access.whats).toEqual(['connect', 'established', 'play', 'active', 'stopping', 'ended']);
    expect(callOf('play').fields).toMatchObject({ name: 'cam', hasVideo: true, hasAudio: true });
    expect(callOf('play').fields['mediaSessionId']).toMatch(/^cam\/127/);
    expect(callOf('ended').fields).toMatchObject({ status: 'STOPPED', info: 'Stopped by user' });
  });

  it('is denied with the words of the back end', async () => {
    await start();
    await published('cam');
    access.answer = deny('play', 'pay first');
    const player = await rig.client();
    const status = await player.play('cam');
    expect(status).toEqual({ level: 'error', code: 'NetStream.Play.Failed', description: 'pay first' });
    await player.closed;
    expect(rig.hub.streams.get('cam')?.viewers).toBe(0);
  });

  it('plays the stream that the back end chose, and never hears of its name', async () => {
    await start();
    await published('secret');
    access.answer = (what) => (what === 'play' ? { fields: { name: 'secret' } } : undefined);
    const player = await rig.client();
    expect((await player.play('cam'))['description']).toBe('playing and resetting cam.');
    expect((await player.status())['description']).toBe('started playing cam.');
    await player.until((m) => m.type === MESSAGE.video);
    expect(access.sessions.at(-1)?.describe()).toMatchObject({ streamName: 'secret', mediaType: 'play' });
    await rig.clients[0]?.close();
    const statuses: AmfObject[] = [await player.status(), await player.status()];
    await player.closed;
    expect(JSON.stringify(statuses)).not.toContain('secret');
    await vi.waitFor(() => expect(count('end')).toBe(2));
    const ended = access.calls.filter(({ what }) => what === 'ended').map(({ fields }) => fields['info']);
    expect(ended).toEqual(expect.arrayContaining(['Stopped by publisher stop']));
  });

  it('has failed when there is no stream, with the name that it knows', async () => {
    await start((what) => (what === 'play' ? { fields: { name: 'secret' } } : undefined));
    const player = await rig.client();
    expect(await player.play('cam')).toMatchObject({
      code: 'NetStream.Play.StreamNotFound',
      description: 'no stream "cam"',
    });
    await player.closed;
    await vi.waitFor(() =>
      expect(callOf('ended').fields).toMatchObject({ status: 'FAILED', info: 'Stream not found' }),
    );
  });

  it('that gives up while it waits for the stream has stopped', async () => {
    await start(undefined, { playWaitMs: 60_000 });
    const player = await rig.client();
    player.command('play', 3, null, 'cam');
    player.command('closeStream', 4, null);
    await vi.waitFor(() => expect(count('ended')).toBe(1));
    expect(access.whats).toEqual(['connect', 'established', 'play', 'stopping', 'ended']);
    player.command('play', 5, null, 'cam');
    await vi.waitFor(() => expect(count('play')).toBe(2));
    await player.close();
    await vi.waitFor(() => expect(count('ended')).toBe(2));
  });

  it('switches in order while the back end thinks', async () => {
    const gate = new Gate('play');
    await start();
    await published('a');
    await published('b');
    access.answer = gate.answer;
    const player = await rig.client();
    player.command('play', 3, null, 'a');
    await gate.asked();
    player.command('play', 4, null, 'b');
    player.command('play', 5, null, false);
    player.command('play', 6, null, 'b');
    gate.open();
    await gate.asked();
    const whats = access.whats.filter((what) => what !== 'active');
    expect(whats).toEqual(['connect', 'established', 'play', 'stopping', 'ended', 'play']);
    gate.open();
    await gate.asked();
    gate.open();
    await vi.waitFor(() => expect(rig.hub.streams.get('b')?.viewers).toBe(1));
    expect(rig.hub.streams.get('a')?.viewers).toBe(0);
  });
});

describe('what FFmpeg shows of a refusal', () => {
  /** What it says, and its exit code. */
  function ffmpeg(...args: string[]): Promise<{ text: string; code: number | null }> {
    return new Promise((resolve, reject) => {
      const child = spawn('ffmpeg', ['-nostdin', '-v', 'error', ...args], { timeout: 20_000 });
      let text = '';
      child.stderr.on('data', (bytes: Buffer) => {
        text += bytes.toString();
      });
      child.on('error', reject);
      child.on('close', (code) => resolve({ text, code }));
    });
  }

  it.each(['connect', 'publish', 'play'])('of %s', async (what) => {
    await start(deny(what, 'no, said the back end'));
    const url = `rtmp://127.0.0.1:${rig.server.port}/live/cam`;
    const source = ['-re', '-f', 'lavfi', '-i', 'sine=duration=5', '-c:a', 'aac', '-f', 'flv', url];
    const { text, code } = await ffmpeg(...(what === 'play' ? ['-i', url, '-f', 'null', '-'] : source));
    expect(text).toContain('no, said the back end');
    expect(code).not.toBe(0);
  });
});

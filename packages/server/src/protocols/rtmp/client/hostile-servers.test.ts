import { encodeAmf0, type MediaPacket } from '@sluice/media';
import { afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { mutate, prng } from '../../../../../media/src/testing/mutate.ts';
import { encodedClip, shifted } from '../testing/clip.ts';
import { RelayRig, type Tried } from '../testing/relay-rig.ts';
import { AVC_CONFIG, avcFrame } from '../testing/rig.ts';
import { type HeardMedia, type Script, type ScriptedPeer, ScriptedServer } from '../testing/scripted-server.ts';
import { MESSAGE } from '../wire/chunk-writer.ts';
import { answerHandshake } from '../wire/handshake.ts';

/** Long enough for a busy machine to connect in. */
const SHORT = { connectTimeoutMs: 1000, stallTimeoutMs: 1000 };

let clip: MediaPacket[];
let server: ScriptedServer;
let rig: RelayRig;

beforeAll(async () => {
  clip = await encodedClip();
});

afterEach(async () => {
  await rig.close();
  await server.stop();
});

async function start(script?: Script): Promise<void> {
  server = await ScriptedServer.start(script);
  rig = new RelayRig();
}

/** A server of bytes: `onData` gets what came since the connection began. */
async function startRaw(onData: (write: (bytes: Uint8Array) => void, all: Buffer) => void): Promise<void> {
  server = await ScriptedServer.raw((socket) => {
    let all = Buffer.alloc(0);
    socket.on('data', (bytes) => {
      all = Buffer.concat([all, bytes]);
      onData((answer) => void socket.write(answer), all);
    });
  });
  rig = new RelayRig();
}

async function endOf(tried: Tried): Promise<Tried['end']> {
  await vi.waitFor(() => expect(tried.end).toBeDefined());
  return tried.end;
}

function push(times: Partial<typeof SHORT> = {}): Tried {
  return rig.push(rig.stream('cam'), server.url('live'), {}, times);
}

function pull(times: Partial<typeof SHORT> = {}): Tried {
  return rig.pull(rig.stream('back'), server.url('live/cam'), times);
}

async function connected(tried: Tried): Promise<ScriptedPeer> {
  await vi.waitFor(() => expect(tried.connected).toBe(1));
  const peer = server.peers.at(-1);
  if (peer === undefined) throw new Error('nobody has connected');
  return peer;
}

describe('a server that does not do its part', () => {
  it('says nothing at all: the attempt ends in time', async () => {
    await startRaw(() => {});
    expect(await endOf(push(SHORT))).toMatchObject({ code: 'unreachable' });
    expect(rig.tried[0]?.end?.message).toContain('did not shake hands');
  });

  it('gives half an answer to the handshake', async () => {
    await startRaw((write, all) => {
      if (all.length === 1537) write(answerHandshake(all.subarray(1)).subarray(0, 2000));
    });
    expect(await endOf(pull(SHORT))).toMatchObject({ code: 'unreachable' });
  });

  it.each(['connect', 'createStream', 'publish'])('does not answer to %s', async (silent) => {
    await start(({ name }) => name === silent);
    const end = await endOf(push(SHORT));
    expect(end).toMatchObject({ code: 'unreachable' });
    expect(end?.message).toContain(silent === 'createStream' ? 'connect' : silent);
  });

  it('closes the connection when asked to publish: the words speak of the key', async () => {
    await start(({ name }, peer) => {
      if (name === 'publish') peer.socket.end();
      return name === 'publish';
    });
    const end = await endOf(push());
    expect(end).toMatchObject({ code: 'refused' });
    expect(end?.message).toContain('key');
  });

  it('speaks another protocol', async () => {
    await startRaw((write) => write(Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n')));
    const end = await endOf(push());
    expect(end).toMatchObject({ code: 'invalid' });
    expect(end?.message).toContain('does not speak RTMP');
  });

  it('sends garbage after the handshake, whatever it is: the attempt ends, and only that', async () => {
    const random = prng(11);
    await startRaw((write, all) => {
      if (all.length === 1537) write(answerHandshake(all.subarray(1)));
      else write(Buffer.from(Uint8Array.from({ length: 2000 }, () => random() * 256)));
    });
    for (let i = 0; i < 20; i++) {
      const tried = rig.pull(rig.stream(`s${i}`), server.url('live/cam'), SHORT);
      expect(['invalid', 'unreachable']).toContain((await endOf(tried))?.code);
    }
  });

  it('sends commands without end', async () => {
    await start();
    const tried = push();
    const peer = await connected(tried);
    for (let i = 0; i < 500; i++) peer.command('onBWDone', 0, null);
    expect(await endOf(tried)).toMatchObject({ code: 'invalid' });
  });

  it('announces a message of 16 MB while nothing of the kind is to come', async () => {
    await start();
    const tried = push();
    const peer = await connected(tried);
    peer.socket.write(Buffer.from([0x06, 0, 0, 0, 0xff, 0xff, 0xff, 9, 1, 0, 0, 0]));
    expect(await endOf(tried)).toMatchObject({ code: 'invalid' });
  });

  it('asks by pings without reading the answers', async () => {
    await start();
    const tried = push();
    const peer = await connected(tried);
    peer.socket.pause();
    const ping = Buffer.from([0x02, 0, 0, 0, 0, 0, 6, 4, 0, 0, 0, 0, 0, 6, 0, 0, 0, 1]);
    const many = Buffer.concat(Array.from({ length: 10_000 }, () => ping));
    for (let i = 0; i < 200 && tried.end === undefined; i++) {
      peer.socket.write(many);
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(await endOf(tried)).toMatchObject({ code: 'stalled' });
  });
});

describe('what a server says', () => {
  it.each([
    ['publish', 'NetStream.Publish.BadName', 'refused'],
    ['publish', 'NetStream.Publish.Denied', 'refused'],
    ['publish', 'NetStream.Something.New', 'refused'],
    ['play', 'NetStream.Play.StreamNotFound', 'not_found'],
    ['play', 'NetStream.Play.Failed', 'refused'],
  ])('to %s with %s becomes %s', async (command, code, end) => {
    await start(({ name }, peer) => {
      if (name === command) peer.status(code, 'error', 'for a reason');
      return name === command;
    });
    const tried = command === 'publish' ? push() : pull();
    expect(await endOf(tried)).toMatchObject({ code: end });
    expect(tried.end?.message).toContain('for a reason');
  });

  it('of the key of a stream is not told to anybody', async () => {
    await start(({ name, args }, peer) => {
      if (name === 'publish')
        peer.status('NetStream.Publish.BadName', 'error', `no ${JSON.stringify(args[1])} here\n\u001b[31m`);
      return name === 'publish';
    });
    const tried = rig.push(rig.stream('cam'), server.url('live/sEcRet?token=abcdef'), { fullUrl: true });
    await endOf(tried);
    expect(JSON.stringify([tried.end, tried.notes, rig.hub.log.lines])).not.toMatch(/sEcRet|abcdef|\\u001b/);
    expect(server.peers[0]?.heard.find(({ name }) => name === 'publish')?.args[1]).toBe('sEcRet?token=abcdef');
  });

  it.each([
    ['NetStream.Play.Stop', 'ended'],
    ['NetStream.Play.UnpublishNotify', 'ended'],
    ['NetConnection.Connect.Closed', 'ended'],
    ['NetStream.Play.StreamNotFound', 'not_found'],
  ])('in mid-play with %s becomes %s', async (code, end) => {
    await start();
    const tried = pull();
    (await connected(tried)).status(code);
    expect(await endOf(tried)).toMatchObject({ code: end });
  });
});

describe('a target that does not read', () => {
  it('is given up as stalled, while the stream goes on for others', async () => {
    await start();
    const source = rig.stream('cam');
    const tried = rig.push(source, server.url('live'), {}, { stallTimeoutMs: 1200 });
    const peer = await connected(tried);
    const others = rig.collect(source);
    const large = clip.map((packet) =>
      packet.track.kind === 'video' ? { ...packet, units: [...packet.units, Buffer.alloc(400_000, 1)] } : packet,
    );
    const bytes = 400_000 + 1000;
    peer.socket.pause();
    const endUs = clip.at(-1)?.dtsUs ?? 0;
    let rounds = 0;
    for (; tried.end === undefined && rounds < 400; rounds++) {
      for (const packet of shifted(large, rounds * (endUs + 40_000))) source.publish({ ...packet, byteLength: bytes });
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    expect(await endOf(tried)).toMatchObject({ code: 'stalled' });
    expect(others.length).toBe(rounds * clip.length);
  });

  it('goes on at a key frame with its configuration once it reads again', async () => {
    await start();
    const source = rig.stream('cam');
    const tried = rig.push(source, server.url('live'));
    const peer = await connected(tried);
    const large = clip.map((packet) =>
      packet.track.kind === 'video'
        ? { ...packet, units: [...packet.units, Buffer.alloc(400_000, 1)], byteLength: 401_000 }
        : packet,
    );
    peer.socket.pause();
    const endUs = (clip.at(-1)?.dtsUs ?? 0) + 40_000;
    for (let round = 0; round < 8; round++) {
      for (const packet of shifted(large, round * endUs)) source.publish(packet);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    peer.socket.resume();
    await vi.waitFor(() => expect(tried.link.facts().queuedBytes).toBe(0));
    const dropped = tried.link.facts().drops.slow_viewer ?? 0;
    expect(dropped).toBeGreaterThan(0);
    let after: HeardMedia[] = [];
    await vi.waitFor(() => {
      const pictures = peer.media.filter(({ kind }) => kind === 'video');
      const gap = pictures.findIndex(({ timestamp }, i) => timestamp - (pictures[i - 1]?.timestamp ?? 0) > 1000);
      after = gap < 0 ? [] : pictures.slice(gap, gap + 2);
      expect(after).toHaveLength(2);
    });
    // The configuration, then the key frame.
    expect(after.map(({ body }) => [body[0], body[1]])).toEqual([
      [0x17, 0],
      [0x17, 1],
    ]);
  });
});

describe('a push whose publisher sends nothing', () => {
  it('stays, and answers pings', async () => {
    await start();
    const tried = push(SHORT);
    const peer = await connected(tried);
    await new Promise((resolve) => setTimeout(resolve, 1500));
    const before = peer.socket.bytesRead;
    peer.message(MESSAGE.userControl, Buffer.from([0, 6, 0, 0, 0, 9]));
    await vi.waitFor(() => expect(peer.socket.bytesRead).toBeGreaterThan(before));
    expect([tried.end, tried.media]).toEqual([undefined, 0]);
  });

  it('ends with its stream, and says goodbye', async () => {
    await start();
    const source = rig.stream('cam');
    const tried = rig.push(source, server.url('live'));
    const peer = await connected(tried);
    source.end('publisher left');
    expect(await endOf(tried)).toMatchObject({ code: 'closed' });
    await vi.waitFor(() =>
      expect(peer.heard.slice(-2).map(({ name }) => name)).toEqual(['FCUnpublish', 'deleteStream']),
    );
  });
});

describe('what a push tells the server', () => {
  it('is in the order of encoders: connect, release, create, publish, metadata, configurations, a key frame', async () => {
    await start();
    const source = rig.stream('cam');
    source.setMetadata({ duration: 100, title: 'mine', videocodecid: 7 }, 30);
    for (const kind of ['video', 'audio']) {
      const track = clip.find((packet) => packet.track.kind === kind)?.track;
      if (track !== undefined) source.setTrack(track);
    }
    for (const packet of clip.slice(0, 4)) source.publish(packet);
    const url = server.url('live/inst/key?a=b');
    const options = { fullUrl: true, flashVersion: 'FMLE/3.0' };
    const tried = rig.push(source, url, options);
    const peer = await connected(tried);
    await vi.waitFor(() => expect(peer.media.length).toBeGreaterThanOrEqual(4));
    expect(peer.heard.map(({ name }) => name)).toEqual([
      'connect',
      'releaseStream',
      'FCPublish',
      'createStream',
      'publish',
    ]);
    expect(peer.connect).toMatchObject({
      app: 'live/inst',
      tcUrl: server.url('live/inst'),
      flashVer: 'FMLE/3.0',
      objectEncoding: 0,
      type: 'nonprivate',
      fourCcList: expect.arrayContaining(['hvc1', 'av01']),
    });
    expect(peer.heard.at(-1)).toMatchObject({ args: [null, 'key?a=b', 'live'], streamId: 5 });
    const [metadata, first, second, third] = peer.media;
    expect(metadata?.values.slice(0, 2)).toEqual(['@setDataFrame', 'onMetaData']);
    expect(metadata?.values[2]).toEqual({
      title: 'mine',
      videocodecid: 7,
      width: 160,
      height: 120,
      framerate: 25,
      audiocodecid: 10,
      audiosamplerate: 48_000,
      stereo: false,
      encoder: 'Sluice',
    });
    expect([first, second, third].map((m) => [m?.kind, m?.timestamp, m?.body[1]])).toEqual([
      ['video', 0, 0],
      ['audio', 0, 0],
      ['video', 0, 1],
    ]);
  });

  it('has no metadata when that is turned off', async () => {
    await start();
    rig = new RelayRig({ sendMetadata: false });
    const source = rig.stream('cam');
    for (const packet of clip.slice(0, 4)) source.publish(packet);
    const tried = rig.push(source, server.url('live'));
    const peer = await connected(tried);
    await vi.waitFor(() => expect(peer.media.length).toBeGreaterThanOrEqual(3));
    expect(peer.media.map(({ kind }) => kind)).not.toContain('data');
  });
});

describe('a pull', () => {
  it('asks for what is live, with a buffer', async () => {
    await start();
    const tried = pull();
    const peer = await connected(tried);
    expect(peer.heard.map(({ name }) => name)).toEqual(['connect', 'FCSubscribe', 'createStream', 'play']);
    expect(peer.heard.at(-1)).toMatchObject({ args: [null, 'cam', -2000], streamId: 5 });
  });

  it('leaves out sound that can not be used, with a note, and takes the picture', async () => {
    await start();
    const tried = pull();
    const peer = await connected(tried);
    // MP3: the other codec of Flash.
    peer.message(MESSAGE.audio, Buffer.from([0x2f, 1, 2, 3]));
    peer.message(MESSAGE.audio, Buffer.from([0x2f, 1, 2, 3]), 23);
    peer.message(MESSAGE.video, AVC_CONFIG);
    peer.message(MESSAGE.video, avcFrame(true));
    await vi.waitFor(() => expect(tried.media).toBe(1));
    expect(tried.notes).toEqual(['audio is left out: MP3 is not supported']);
    expect(tried.link.facts()).toMatchObject({ packets: 1, drops: { not_carried: 1 } });
  });

  it('of nothing that can be used ends as invalid', async () => {
    await start();
    const tried = pull(SHORT);
    const peer = await connected(tried);
    peer.message(MESSAGE.audio, Buffer.from([0x2f, 1, 2, 3]));
    expect(await endOf(tried)).toMatchObject({ code: 'invalid' });
    expect(tried.end?.message).toContain('MP3');
  });

  it('ends when the server says that all was played', async () => {
    await start();
    const tried = pull();
    const peer = await connected(tried);
    peer.message(MESSAGE.video, AVC_CONFIG);
    peer.message(MESSAGE.video, avcFrame(true));
    await vi.waitFor(() => expect(tried.media).toBe(1));
    peer.message(MESSAGE.data, encodeAmf0('onPlayStatus', { code: 'NetStream.Play.Complete', level: 'status' }));
    expect(await endOf(tried)).toMatchObject({ code: 'ended' });
  });

  it('survives mutated media, and ends at most itself', async () => {
    await start();
    const random = prng(23);
    const seeds = [Buffer.from([0x17, 0, 0, 0, 0, 1, 0x42, 0xc0, 0x1e]), Buffer.from([0xaf, 1, 0x21, 0x10])];
    for (let i = 0; i < 10; i++) {
      const tried = rig.pull(rig.stream(`s${i}`), server.url('live/cam'));
      const peer = await connected(tried);
      for (let k = 0; k < 300; k++) {
        const body = mutate(seeds[k % 2] ?? Buffer.alloc(0), random);
        peer.message(k % 2 === 0 ? MESSAGE.video : MESSAGE.audio, body, k * 20);
      }
      peer.socket.end();
      expect(['ended', 'invalid']).toContain((await endOf(tried))?.code);
    }
    expect(rig.hub.log.lines.filter(({ level }) => level === 'error')).toEqual([]);
  });
});

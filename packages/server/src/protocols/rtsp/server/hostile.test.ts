import { connect as connectTls } from 'node:tls';
import { generate } from 'selfsigned';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { mutate, prng } from '../../../../../media/src/testing/mutate.ts';
import { RtspHeaders } from '../wire/headers.ts';
import { writeInterleaved, writeRequest } from '../wire/writer.ts';
import { TestClient } from './testing/client.ts';
import { AUDIO, packet, VIDEO } from './testing/packets.ts';
import { RtspRig } from './testing/rig.ts';

let rig: RtspRig;
afterEach(() => rig.close());

describe('hostile clients of RTSP', () => {
  it('that say nothing, half a request, or byte after byte of one, are dropped', async () => {
    rig = await RtspRig.start({ headerTimeoutMs: 300 });
    const [silent, half, slow, done] = await Promise.all(Array.from({ length: 4 }, () => rig.client()));
    half?.socket.write('OPTIONS * RTSP/1.0\r\nCSeq: 1\r\nX: ');
    const timer = setInterval(() => slow?.socket.write('A'), 50);
    expect((await done?.request('OPTIONS', '*'))?.status).toBe(200);
    await Promise.all([silent?.gone(), half?.gone(), slow?.gone()]);
    clearInterval(timer);
    expect(done?.closed).toBe(false);
    expect(rig.hub.counters.of('rtsp_silent_clients')).toBe(3);
  });

  it('that send endless headers or another protocol are answered once and closed', async () => {
    rig = await RtspRig.start();
    for (const bytes of [`OPTIONS * RTSP/1.0\r\n${'a: b\r\n'.repeat(100_000)}`, 'A'.repeat(1e6), '\x16\x03\x01\n']) {
      const client = await rig.client();
      client.socket.write(bytes);
      expect((await client.answer()).status).toBe(400);
      await client.gone();
    }
    expect(rig.hub.counters.of('rtsp_protocol_errors')).toBe(3);
  });

  it('that ask and never read the answers are not read either', async () => {
    rig = await RtspRig.start();
    const client = await rig.client();
    client.socket.pause();
    const request = writeRequest({ method: 'OPTIONS', uri: '*', headers: RtspHeaders.of({ CSeq: 1 }) });
    for (let i = 0; i < 20; i += 1) client.socket.write(Buffer.concat(new Array(10_000).fill(request)));
    const bytesIn = (): number => [...rig.hub.connections.all()][0]?.describe().bytesIn ?? 0;
    const seen: number[] = [];
    // Until nothing is read any more.
    await vi.waitFor(
      () => {
        seen.push(bytesIn());
        expect(seen.at(-1)).toBeGreaterThan(0);
        expect(new Set(seen.slice(-4)).size + 4 - seen.slice(-4).length).toBe(1);
      },
      { timeout: 10_000, interval: 150 },
    );
    expect(bytesIn()).toBeLessThan(request.length * 100_000);
  });

  it('over the limit of connections are turned away', async () => {
    rig = await RtspRig.start({ maxConnections: 2 });
    const clients = [await rig.client(), await rig.client(), await rig.client()];
    await clients[2]?.gone();
    expect((await clients[0]?.request('OPTIONS', '*'))?.status).toBe(200);
    expect(rig.hub.counters.of('rtsp_refused')).toBe(1);
  });

  it('that leave while their stream is looked for leave nothing behind', async () => {
    rig = await RtspRig.start({ playWaitMs: 10_000 });
    const client = await rig.client();
    client.send('DESCRIBE', rig.url('cam'));
    await vi.waitFor(() => expect(rig.hub.connections.size).toBe(1));
    client.close();
    await vi.waitFor(() => expect([rig.hub.connections.size, rig.server.connectionCount]).toEqual([0, 0]));
  });

  it('that send damaged conversations hurt nobody else', async () => {
    rig = await RtspRig.start({ headerTimeoutMs: 500 });
    const stream = rig.publish('cam', [VIDEO, AUDIO]);
    for (let ms = 0; ms < 400; ms += 40) stream.publish(packet(VIDEO, ms, ms === 0));
    const url = rig.url('cam');
    const tcp = { Transport: 'RTP/AVP/TCP;unicast;interleaved=0-1' };
    const sdp = 'v=0\r\no=- 0 0 IN IP4 0.0.0.0\r\ns=x\r\nt=0 0\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n';
    const requests = [
      ['OPTIONS', '*', {}],
      ['DESCRIBE', url, {}],
      ['SETUP', `${url}/trackID=0`, tcp],
      ['PLAY', url, {}],
      ['PAUSE', url, {}],
      ['TEARDOWN', url, {}],
      ['ANNOUNCE', rig.url('mine'), { 'Content-Type': 'application/sdp' }, sdp],
      ['SETUP', `${rig.url('mine')}/trackID=0`, { Transport: 'RTP/AVP/TCP;unicast;interleaved=0-1;mode=record' }],
      ['RECORD', rig.url('mine'), {}],
    ] as const;
    const whole = Buffer.concat([
      ...requests.map(([method, uri, fields, body], i) =>
        writeRequest({ method, uri, headers: RtspHeaders.of({ CSeq: i, ...fields }), ...(body && { body }) }),
      ),
      ...Array.from({ length: 20 }, (_, i) => writeInterleaved(i % 3, Buffer.alloc(40, 0x80 + i))),
    ]);
    const random = prng(7);
    for (let round = 0; round < 60; round += 1) {
      const clients = await Promise.all(Array.from({ length: 5 }, () => rig.client()));
      for (const client of clients) client.socket.end(round === 0 ? whole : mutate(whole, random));
      await Promise.all(clients.map((client) => client.gone()));
    }
    await vi.waitFor(() =>
      expect([stream.viewers, rig.server.connectionCount, rig.hub.sessions.size]).toEqual([0, 0, 0]),
    );
    expect(rig.hub.log.lines.filter(({ level }) => level === 'error')).toEqual([]);
    const client = await rig.client();
    expect((await client.play(url)).status).toBe(200);
  });
});

describe('RTSP over HTTP and TLS', () => {
  it('is no web server', async () => {
    rig = await RtspRig.start();
    for (const request of [
      'GET / HTTP/1.1\r\nHost: a\r\n\r\n',
      'POST / HTTP/1.0\r\nx-sessioncookie: none\r\n\r\nT1BU',
      'PUT / HTTP/1.0\r\nx-sessioncookie: none\r\n\r\n',
    ]) {
      const client = await rig.client();
      client.socket.write(request);
      const answer = await client.answer();
      expect([answer.version, answer.status]).toEqual(['HTTP/1.0', 404]);
      await client.gone();
    }
  });

  it('takes requests in pieces of base64, by one connection after the other, and refuses what is none', async () => {
    rig = await RtspRig.start();
    const [down, up, upAgain] = [await rig.client(), await rig.client(), await rig.client()];
    down.socket.write('GET /cam HTTP/1.0\r\nx-sessioncookie: abc\r\nAccept: application/x-rtsp-tunnelled\r\n\r\n');
    expect((await down.answer()).headers.get('Content-Type')).toBe('application/x-rtsp-tunnelled');
    const request = (number: number): string =>
      writeRequest({ method: 'OPTIONS', uri: '*', headers: RtspHeaders.of({ CSeq: number }) }).toString('base64');
    const post = 'POST /cam HTTP/1.0\r\nx-sessioncookie: abc\r\nContent-Length: 32767\r\n\r\n';
    up.socket.write(`${post}${request(1).slice(0, 7)}`);
    up.socket.write(`${request(1).slice(7)}${request(2)}`);
    expect((await down.answer()).headers.get('CSeq')).toBe('1');
    expect((await down.answer()).headers.get('CSeq')).toBe('2');
    up.close();
    upAgain.socket.write(`${post}${request(3)}`);
    expect((await down.answer()).headers.get('CSeq')).toBe('3');
    upAgain.socket.write('!!!!');
    await upAgain.gone();
    const last = await rig.client();
    last.socket.write(`${post}${request(4)}`);
    expect((await down.answer()).headers.get('CSeq')).toBe('4');
    down.close();
    await last.gone();
    await vi.waitFor(() => expect(rig.server.connectionCount).toBe(0));
  });

  it('is served on a port of its own with TLS', async () => {
    const pems = await generate([{ name: 'commonName', value: 'localhost' }]);
    const listen = [{ host: '127.0.0.1', port: 0, secure: true }];
    rig = await RtspRig.start({ listen, tls: { cert: pems.cert, key: pems.private } });
    const stream = rig.publish('cam', [VIDEO]);
    stream.publish(packet(VIDEO, 0));
    const socket = connectTls({ host: '127.0.0.1', port: rig.server.securePort, rejectUnauthorized: false });
    const client = new TestClient(socket);
    expect((await client.play(`rtsps://127.0.0.1:${rig.server.securePort}/cam`)).status).toBe(200);
    await vi.waitFor(() => expect(client.frames.length).toBeGreaterThan(1));
    expect([...rig.hub.sessions.all()][0]?.explain?.().tcp?.secure).toBe(true);
    client.close();
  });

  it('says which port is taken', async () => {
    rig = await RtspRig.start();
    const taken = { listen: [{ host: '127.0.0.1', port: rig.server.port }] };
    await expect(RtspRig.start(taken)).rejects.toMatchObject({ code: 'PORT_IN_USE' });
    const udp = { host: '127.0.0.1', port: rig.server.udp?.ports[0] ?? 0 };
    await expect(RtspRig.start({ udp })).rejects.toMatchObject({ code: 'PORT_IN_USE' });
  });
});

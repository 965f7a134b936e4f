import type { ServerResponse } from 'node:http';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { OutboundAddresses, RelayEnd } from '../../../core/index.ts';
import { LossyPath } from './testing/lossy-path.ts';
import { ANY_ADDRESS, denied, RelayRig, type RunningRelay } from './testing/relay-rig.ts';
import { Source } from './testing/source.ts';

vi.setConfig({ testTimeout: 30_000 });

let rig: RelayRig;
const cleanUp: (() => unknown)[] = [];

beforeEach(async () => {
  rig = await RelayRig.start();
});

afterEach(async () => {
  for (const work of cleanUp.splice(0)) await work();
  await rig.close();
});

function source(where: 'here' | 'there', options?: ConstructorParameters<typeof Source>[2]): Source {
  const made = new Source((where === 'here' ? rig.hub : rig.there.hub).streams, 'cam', options);
  cleanUp.push(() => made.close());
  return made;
}

function pull(changes: Parameters<RelayRig['pull']>[2] = {}): RunningRelay {
  return rig.pull('whep://HOST/whep/cam', rig.hub.streams.get('pulled') ?? rig.target('pulled'), changes);
}

async function endOf(relay: RunningRelay): Promise<RelayEnd> {
  return relay.link.ended;
}

function answering(status: number, headers: Record<string, string> = {}, body = ''): void {
  rig.instead = (request, response) => {
    request.resume();
    response.writeHead(status, headers).end(body);
  };
}

describe('a server that refuses', () => {
  test.each([
    [400, 'invalid'],
    [401, 'refused'],
    [403, 'refused'],
    [404, 'not_found'],
    [406, 'invalid'],
    [409, 'unreachable'],
    [429, 'unreachable'],
    [500, 'unreachable'],
    [503, 'unreachable'],
    [204, 'invalid'],
  ] as const)('with %i is %s, with its own words', async (status, code) => {
    answering(status, {}, 'no\r\nfor a reason');
    const words = status === 204 ? '' : ': no for a reason';
    expect(await endOf(pull())).toEqual({ code, message: `the server answers ${status}${words}` });
  });

  test.each([
    ['{"status":404,"message":"there is no stream"}', 'the server answers 404: there is no stream'],
    ['{"title":"Not Found","detail":"gone"}', 'the server answers 404: gone'],
    ['null', 'the server answers 404: null'],
    ['[7]', 'the server answers 404: [7]'],
  ])('with an error in JSON, %s, is quoted by its words', async (body, message) => {
    answering(404, { 'content-type': 'application/json' }, body);
    expect(await endOf(pull())).toEqual({ code: 'not_found', message });
  });

  test('is told the token, and one that redirects elsewhere is not', async () => {
    rig.instead = (request, response) => {
      request.resume();
      if (request.url === '/start') response.writeHead(307, { location: '/second' }).end();
      else if (request.url === '/second')
        response.writeHead(308, { location: `http://localhost:${rig.port}/third` }).end();
      else response.writeHead(404).end();
    };
    const relay = rig.pull('whep://:secret@HOST/start', rig.target('redirected'));
    expect(await endOf(relay)).toMatchObject({ code: 'not_found' });
    expect(rig.requests.map(({ url, authorization }) => [url, authorization])).toEqual([
      ['/start', 'Bearer secret'],
      ['/second', 'Bearer secret'],
      ['/third', undefined],
    ]);
  });

  test.each([
    ['in a circle', '/again'],
    ['to another protocol', 'ftp://127.0.0.1/'],
    ['to what is no address', 'http://'],
  ])('and redirects %s is invalid', async (_, location) => {
    answering(307, { location });
    expect(await endOf(pull())).toMatchObject({ code: 'invalid' });
    expect(rig.requests.length).toBeLessThan(8);
  });
});

describe('an address that may not be connected to', () => {
  test('is not connected to, at first or by a redirect', async () => {
    expect(await endOf(pull({ outbound: denied('URL_DENIED') }))).toEqual({ code: 'refused', message: 'denied here' });
    expect(await endOf(pull({ outbound: denied('HOST_UNKNOWN') }))).toMatchObject({ code: 'unreachable' });
    expect(rig.requests).toEqual([]);
    answering(307, { location: 'http://metadata.internal/' });
    const asked: string[] = [];
    const outbound: OutboundAddresses = {
      resolve: (url) => {
        asked.push(url);
        return url.includes('metadata') ? denied('URL_DENIED').resolve(url) : ANY_ADDRESS.resolve(url);
      },
    };
    expect(await endOf(pull({ outbound }))).toMatchObject({ code: 'refused' });
    expect(asked).toEqual([`whep://127.0.0.1:${rig.port}`, 'whep://metadata.internal']);
  });

  test('gets no datagram either when it is a candidate for media', async () => {
    source('there');
    rig.rewrite = (answer) => answer.replace(/^(a=candidate:.* (?:udp|tcp) \d+ )\S+ /gm, '$1 10.0.0.1 ');
    const outbound: OutboundAddresses = {
      resolve: (url) => (url.includes('10.0.0.1') ? denied('URL_DENIED').resolve(url) : ANY_ADDRESS.resolve(url)),
    };
    const relay = pull({ outbound });
    expect(await endOf(relay)).toMatchObject({ code: 'refused', message: expect.stringContaining('for media') });
    expect(relay.notes).toContain('an address for media is not used: denied here');
    expect(relay.link.facts()).toMatchObject({ bytesOut: 0 });
    expect(rig.requests.map(({ method }) => method)).toEqual(['POST', 'DELETE']);
  });
});

describe('a server whose answer', () => {
  function replaced(answer: string | ((answer: string) => string)): Promise<RelayEnd> {
    source('there');
    rig.rewrite = typeof answer === 'string' ? () => answer : answer;
    return endOf(pull({ connectTimeoutMs: 1500 }));
  }

  test('is garbage is invalid', async () => {
    answering(201, { location: '/session' }, 'garbage');
    expect(await endOf(pull())).toMatchObject({ code: 'invalid', message: expect.stringContaining('answer') });
  });

  test('is empty is invalid', async () => {
    answering(201);
    expect(await endOf(pull())).toMatchObject({ code: 'invalid' });
  });

  test('never ends is cut off, and costs no more than the limit', async () => {
    let open: ServerResponse | undefined;
    let sent = 0;
    rig.instead = (request, response) => {
      request.resume();
      open = response;
      const more = (): void => {
        while (!response.destroyed && response.write(Buffer.alloc(16 * 1024, 'a'))) sent += 16 * 1024;
        if (!response.destroyed) response.once('drain', more);
      };
      response.writeHead(201);
      more();
    };
    expect(await endOf(pull())).toMatchObject({ code: 'invalid', message: expect.stringContaining('131072 bytes') });
    await vi.waitFor(() => expect(open?.destroyed).toBe(true));
    expect(sent).toBeLessThan(16 * 1024 * 1024);
  });

  test('has a fingerprint of somebody else is not believed', async () => {
    const end = await replaced((answer) => answer.replaceAll(/^(a=fingerprint:sha-256 )..:../gm, '$1AA:BB'));
    expect(end).toMatchObject({ code: 'invalid', message: expect.stringContaining('was not announced') });
  });

  test('has a wrong ICE password finds no way', async () => {
    const end = await replaced((answer) => answer.replaceAll(/^a=ice-pwd:.*$/gm, `a=ice-pwd:${'x'.repeat(24)}\r`));
    expect(end).toMatchObject({ code: 'unreachable', message: expect.stringContaining('a way to its media port') });
  });

  test('has names of multicast DNS, TCP, other components and nonsense as candidates finds no way, and asks nobody', async () => {
    const lines = [
      '1 1 udp 1 abc.local 5000 typ host',
      '2 1 tcp 1 127.0.0.1 9 typ host tcptype active',
      '3 2 udp 1 127.0.0.1 5000 typ host',
      '4 1 udp 1 a/b@c 5000 typ host',
      '5 1 udp 1 127.0.0.1 0 typ host',
    ];
    const asked: string[] = [];
    source('there');
    rig.rewrite = (answer) =>
      answer.replaceAll(/^a=candidate:.*$/gm, lines.map((line) => `a=candidate:${line}\r`).join('\n'));
    const outbound: OutboundAddresses = {
      resolve: (url) => {
        asked.push(url);
        return ANY_ADDRESS.resolve(url);
      },
    };
    expect(await endOf(pull({ outbound, connectTimeoutMs: 700 }))).toMatchObject({
      code: 'unreachable',
      message: expect.stringContaining('a way to its media port'),
    });
    expect(asked.filter((url) => !url.endsWith(`:${rig.port}`))).toEqual([]);
  });
});

describe('a server that falls silent', () => {
  test('before it answers is given up in time', async () => {
    rig.instead = () => {};
    const end = await endOf(pull({ connectTimeoutMs: 400 }));
    expect(end).toMatchObject({ code: 'unreachable', message: expect.stringContaining('400 ms') });
  });

  test('and sends no media at all is given up in time', async () => {
    source('there').pause();
    const relay = pull({ connectTimeoutMs: 1200 });
    expect(await endOf(relay)).toMatchObject({
      code: 'unreachable',
      message: expect.stringContaining('media was waited for'),
    });
    expect(relay.told).toEqual(['connected']);
  });

  test('after media has come is stalled', async () => {
    const camera = source('there');
    const relay = pull({ stallTimeoutMs: 700 });
    await vi.waitFor(() => expect(relay.told).toContain('media'), { timeout: 15_000 });
    camera.pause();
    expect(await endOf(relay)).toEqual({ code: 'stalled', message: 'no media came for 700 ms' });
  });

  test('while it is pushed to is stalled, but not when there is only nothing to push', async () => {
    const camera = source('here');
    const path = new LossyPath(rig.there.server.port);
    const port = await path.start();
    cleanUp.push(() => path.close());
    rig.rewrite = (answer) => answer.replace(/^(a=candidate:.* )\d+( typ host)/gm, `$1${port}$2`);
    const relay = rig.push('whip://HOST/whip/theirs', camera.stream, { stallTimeoutMs: 1000, connectTimeoutMs: 1000 });
    await vi.waitFor(() => expect(relay.told).toContain('media'), { timeout: 15_000 });
    camera.pause();
    await new Promise((resolve) => setTimeout(resolve, 1300));
    expect(relay.end).toBeUndefined();
    path.isLost = () => true;
    expect(await endOf(relay)).toMatchObject({ code: 'stalled' });
  });
});

describe('a stream that is pushed', () => {
  test('is left without what the other side does not take, and that is told', async () => {
    const camera = source('here');
    rig.rewrite = (answer) => answer.replace(/^m=video \d+/m, 'm=video 0');
    const relay = rig.push('whip://HOST/whip/theirs', camera.stream);
    await vi.waitFor(() => expect(rig.there.hub.streams.get('theirs')?.state.audio?.codec).toBe('opus'), {
      timeout: 15_000,
    });
    expect(relay.notes).toEqual(['video is left out: the other side does not take it']);
  });

  test('is offered without the kind of media that is not wanted', async () => {
    const camera = source('here');
    rig.push('whip://HOST/whip/theirs', camera.stream, { options: { without: 'video' } });
    await vi.waitFor(() => expect(rig.there.hub.streams.get('theirs')?.state.audio?.codec).toBe('opus'), {
      timeout: 15_000,
    });
    expect(rig.there.hub.streams.get('theirs')?.state.video).toBeUndefined();
  });

  test('of codecs that WebRTC has not, and that may not be converted, is told so', async () => {
    const camera = source('here', { video: 'flv1', audio: 'aac' });
    const relay = rig.push('whip://HOST/whip/theirs', camera.stream);
    expect(await endOf(relay)).toMatchObject({ code: 'invalid' });
    expect(relay.notes.map((note) => note.slice(0, 17))).toEqual(['video is left out', 'audio is left out']);
  });

  test('tells its source that the other side wants a key frame, and ends when the stream does', async () => {
    const camera = source('here');
    const relay = rig.push('whip://HOST/whip/theirs', camera.stream);
    await vi.waitFor(() => expect(rig.there.hub.streams.get('theirs')?.state.video?.codec).toBe('h264'), {
      timeout: 15_000,
    });
    const before = camera.keyFramesAsked;
    await vi.waitFor(
      () => {
        rig.there.hub.streams.get('theirs')?.requestKeyFrame();
        expect(camera.keyFramesAsked).toBeGreaterThan(before);
      },
      { timeout: 15_000 },
    );
    camera.close();
    expect(await endOf(relay)).toEqual({ code: 'closed', message: 'the stream is over' });
  });
});

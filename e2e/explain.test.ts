import { ExplainAnswer, type ExplainSession } from '@sluice/contract';
import Value from 'typebox/value';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { RtcClient } from '../packages/server/src/protocols/webrtc/testing/rtc-client.ts';
import {
  ecdsaIdentity,
  type OwnIdentity,
} from '../packages/server/src/protocols/webrtc/wire/dtls/testing/identities.ts';
import { Ffmpeg } from './support/ffmpeg.ts';
import { TestServer } from './support/server.ts';
import { connect, postOffer } from './support/webrtc/call.ts';
import { WebRtcPages } from './support/webrtc/pages.ts';

const PICTURE = ['-re', '-f', 'lavfi', '-i', 'testsrc2=s=320x240:r=25'];
const SOUND = ['-re', '-f', 'lavfi', '-i', 'sine=440:r=48000'];
const H264 = ['-c:v', 'libx264', '-preset', 'ultrafast', '-tune', 'zerolatency', '-pix_fmt', 'yuv420p'];
const AAC = ['-c:a', 'aac'];

let server: TestServer;
let identity: OwnIdentity;
/** What is open in a test and closed after it. */
const open: { close(): Promise<unknown> }[] = [];

beforeAll(async () => {
  // A short memory: whoever joins between two key frames has to wait for the next one.
  server = await TestServer.start({ settings: { gop_cache_duration: 1500 } });
  identity = await ecdsaIdentity();
});

afterEach(async () => {
  for (const one of open.splice(0)) await one.close();
});

afterAll(() => server.stop());

async function publish(name: string, ...output: string[]): Promise<void> {
  const publisher = new Ffmpeg(['-v', 'error', ...PICTURE, ...SOUND, ...output, '-f', 'flv', server.rtmp(name)]);
  open.push({ close: () => publisher.stop() });
  await server.untilLive(name);
}

function client(video: 'VP8' | 'H264', audio = true): RtcClient {
  const rtc = new RtcClient({ identity, direction: 'recvonly', video, audio });
  open.push(rtc);
  return rtc;
}

/** What the server answers, once `seen` finds in it what it looks for. Each answer is checked against its schema. */
async function explained(question: object, seen: (answer: ExplainAnswer) => void): Promise<ExplainAnswer> {
  let answer: unknown;
  await vi.waitFor(
    async () => {
      const body = JSON.stringify(question);
      const response = await fetch(server.http('/rest-api/stream/explain'), { method: 'POST', body });
      answer = await response.json();
      expect(response.status, JSON.stringify(answer)).toBe(200);
      expect([...Value.Errors(ExplainAnswer, answer)]).toEqual([]);
      seen(answer as ExplainAnswer);
    },
    { timeout: 15_000, interval: 100 },
  );
  return answer as ExplainAnswer;
}

function codes({ verdict }: ExplainAnswer): string[] {
  return verdict.map(({ code }) => code);
}

function player({ sessions }: ExplainAnswer): ExplainSession | undefined {
  return sessions.find(({ mediaType }) => mediaType === 'play');
}

describe('the explanation of a stream', () => {
  it('tells that a browser gets the picture as it is and the sound by a conversion, and what that costs', async () => {
    await publish('bridged', ...H264, '-g', '25', ...AAC);
    const pages = await WebRtcPages.start();
    open.push(pages);
    const page = await pages.play(server.http('/whep/bridged'));
    open.push(page);
    const answer = await explained({ name: 'bridged' }, (seen) => {
      expect(codes(seen)).toEqual(['ALL_WELL', 'CODEC_CONVERTED']);
      const [, audio] = player(seen)?.media ?? [];
      expect(audio?.conversion?.cpuShare, JSON.stringify(audio)).toBeGreaterThan(0);
      expect(player(seen)?.media[0]?.lossFraction).toBe(0);
    });
    expect(answer.live).toBe(true);
    expect(answer.stream).toMatchObject({
      viewers: 1,
      publisher: { protocol: 'rtmp' },
      video: { codec: 'h264', width: 320, height: 240, hasBFrames: false, keyFrameIntervalMs: 1000, muted: false },
      audio: { codec: 'aac', sampleRate: 48_000 },
    });
    const session = player(answer);
    expect(session?.webrtc).toMatchObject({ ice: { state: 'connected' }, dtls: { state: 'connected' } });
    expect(session?.webrtc?.ice.pairs.some(({ selected, checks }) => selected && checks > 0)).toBe(true);
    expect(session?.webrtc?.dtls.handshakeMs).toBeGreaterThan(0);
    const [video, audio] = session?.media ?? [];
    expect(video).toMatchObject({ kind: 'video', delivery: 'as_is', codec: 'h264', waitsForKeyFrame: false });
    expect(video?.lastKeyFrameAgeMs).toBeLessThan(3000);
    expect(video?.packets).toBeGreaterThan(10);
    expect(video?.refused).toContainEqual(expect.objectContaining({ codec: 'VP8', reason: 'other_sent' }));
    expect(audio).toMatchObject({ kind: 'audio', delivery: 'converted', codec: 'opus', chosen: 'opus' });
    expect(audio?.conversion).toMatchObject({ from: 'aac', to: 'opus' });
    expect(audio?.conversion?.worker).toBeGreaterThan(0);
    expect(audio?.refused).toContainEqual(expect.objectContaining({ codec: 'AAC', reason: 'not_offered' }));
    // The answer of the server is the only place where the passwords of ICE have a business.
    expect(JSON.stringify(answer)).not.toMatch(/pwd|ufrag|fingerprint/i);
  });

  it('tells which port the checks of a client have never reached', async () => {
    await publish('unreached', ...H264, '-g', '25', ...AAC);
    const silent = client('H264');
    const response = await postOffer(server.http('/whep/unreached'), silent.offer);
    expect(response.status).toBe(201);
    const { verdict } = await explained({ name: 'unreached' }, (seen) => expect(codes(seen)[0]).toBe('NO_ICE'));
    expect(verdict[0]).toMatchObject({ severity: 'error', sessions: 1 });
    expect(verdict[0]?.text).toContain(`UDP port ${server.ports.media}`);
    expect(verdict[0]?.advice).toContain('firewall');
    // The client gives up; what was so can still be asked for, by its id too.
    const location = new URL(response.headers.get('location') ?? '', server.http('/'));
    expect((await fetch(location, { method: 'DELETE' })).status).toBe(200);
    const id = verdict[0]?.mediaSessionIds[0] ?? '';
    const past = await explained({ mediaSessionId: id }, (seen) => expect(seen.past).toHaveLength(1));
    expect(past.past[0]).toMatchObject({ mediaSessionId: id, status: 'FAILED', errorCode: 'client_left' });
    expect(past.past[0]?.media[0]?.offered).toEqual(['H264/42e01f']);
    expect(codes(past)).toContain('NO_ICE');
  });

  it('tells that a viewer waits for a key frame, and how the encoder is to be set', async () => {
    await publish('sparse', ...H264, '-g', '1000', '-keyint_min', '1000', '-sc_threshold', '0', ...AAC);
    await explained({ name: 'sparse' }, ({ stream }) =>
      expect(stream?.video?.lastKeyFrameAgeMs ?? 0).toBeGreaterThan(2500),
    );
    await connect(client('H264'), server.http('/whep/sparse'));
    const answer = await explained({ name: 'sparse' }, (seen) => expect(codes(seen)).toContain('WAITS_FOR_KEY_FRAME'));
    expect(codes(answer)[0]).toBe('WAITS_FOR_KEY_FRAME');
    expect(answer.verdict[0]).toMatchObject({ severity: 'error', kind: 'video', sessions: 1 });
    expect(answer.verdict[0]?.advice).toContain('-g');
    expect(player(answer)?.media[0]).toMatchObject({ waitsForKeyFrame: true, packets: 0 });
  });

  it('tells codec by codec why a client was refused', async () => {
    await publish('unfit', ...H264, '-g', '25', '-an');
    const response = await postOffer(server.http('/whep/unfit'), client('VP8', false).offer);
    expect(response.status).toBe(406);
    const answer = await explained({ name: 'unfit' }, (seen) => expect(codes(seen)[0]).toBe('NO_COMMON_CODECS'));
    expect(answer.past[0]?.media).toEqual([
      expect.objectContaining({
        kind: 'video',
        offered: ['VP8'],
        refused: [
          expect.objectContaining({ codec: 'H.264', reason: 'not_offered' }),
          expect.objectContaining({ codec: 'VP8', reason: 'other_sent' }),
        ],
      }),
    ]);
  });

  it('names the streams that may have been meant when nothing is known of one', async () => {
    await publish('conference', ...H264, '-g', '25', ...AAC);
    const body = JSON.stringify({ name: 'Conferense' });
    const response = await fetch(server.http('/rest-api/stream/explain'), { method: 'POST', body });
    expect(response.status).toBe(404);
    expect(((await response.json()) as { message: string }).message).toContain('did you mean "conference"?');
  });
});

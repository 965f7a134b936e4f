import { afterEach, describe, expect, it, vi } from 'vitest';
import { MediaServerError } from '../../../core/index.ts';
import { ScriptedAccess } from '../../../core/testing/scripted-access.ts';
import type { Engine } from '../../../engine/index.ts';
import { mp4Clip } from '../../../engine/testing/clips.ts';
import { testEngine } from '../../../engine/testing/run.ts';
import type { SrtServerOptions } from './options.ts';
import { demuxed, SrtRig, WAIT } from './testing/srt-rig.ts';
import { REFUSAL } from './wire/handshake.ts';

let rig: SrtRig;
let engine: Engine;
afterEach(async () => {
  await rig.close();
  await engine.close();
});

function start(options: Partial<SrtServerOptions> = {}, access?: ScriptedAccess): Promise<SrtRig> {
  engine = testEngine().engine;
  return SrtRig.start(engine.srt, options, access);
}

function pids(): number[] {
  return engine.stats().workers.flatMap(({ pid }) => pid ?? []);
}

/** What a caller with that stream id hears, made by hand. */
async function refusalOf(streamId: string): Promise<number> {
  const caller = await rig.caller();
  caller.induce();
  await vi.waitFor(() => expect(caller.handshakes).toHaveLength(1), WAIT);
  caller.conclude(caller.handshakes[0]?.cookie ?? 0, streamId);
  await vi.waitFor(() => expect(caller.handshakes).toHaveLength(2), WAIT);
  return caller.handshakes[1]?.reason ?? 0;
}

describe('the SRT port', { timeout: 40_000 }, () => {
  it('takes what ffmpeg publishes and gives it to players, from a key frame on', async () => {
    rig = await start();
    const publisher = rig.publish('publish:cam');
    const stream = await rig.live('cam');
    const player = rig.play('read:cam');
    await vi.waitFor(() => expect(player.output().length).toBeGreaterThan(80_000), WAIT);
    const { packets, broken } = demuxed(player.output());
    const video = packets.filter(({ track }) => track.kind === 'video');
    expect([video[0]?.key, broken]).toEqual([true, 0]);
    expect(video.length).toBeGreaterThan(10);
    expect(packets.some(({ track }) => track.codec === 'aac')).toBe(true);
    const sessions = Array.from(rig.hub.sessions.all(), (session) => session.describe());
    const common = { protocol: 'srt', mediaProvider: 'SRT', transport: 'UDP', remoteAddress: '127.0.0.1' };
    expect(sessions).toMatchObject([
      { ...common, mediaType: 'publish', status: 'PUBLISHING', streamName: 'cam', bytesIn: expect.any(Number) },
      { ...common, mediaType: 'play', status: 'PLAYING', streamName: 'cam' },
    ]);
    expect([stream.viewers, rig.hub.connections.size, rig.hub.counters.of('srt_connections')]).toEqual([1, 2, 2]);
    publisher.kill('SIGINT');
    await vi.waitFor(() => expect(rig.server.sessionCount).toBe(0), WAIT);
    await vi.waitFor(() => expect(player.child.exitCode).not.toBeNull(), WAIT);
    expect(rig.hub.streams.get('cam')).toBeUndefined();
  });

  it('lets ffprobe play H.265 that somebody else publishes', async () => {
    rig = await start({ latencyMs: 20 });
    const clip = await mp4Clip([
      ...[
        '-f',
        'lavfi',
        '-i',
        'testsrc2=s=320x180:r=25:d=3',
        '-c:v',
        'libx265',
        '-preset',
        'ultrafast',
        '-x265-params',
        'log-level=none',
      ],
      ...['-g', '10', '-pix_fmt', 'yuv420p'],
    ]);
    const stream = rig.stream('hevc');
    let at = 0;
    const feed = rig.ticker.on(() => {
      const packet = clip[at++ % clip.length];
      if (packet === undefined) return;
      const shiftUs = Math.floor((at - 1) / clip.length) * 3_000_000;
      stream.publish({ ...packet, dtsUs: packet.dtsUs + shiftUs, ptsUs: packet.ptsUs + shiftUs });
    });
    const url = rig.url('%23!::r=hevc,m=request');
    const probe = [
      '-v',
      'error',
      '-show_entries',
      'stream=codec_name,width',
      '-of',
      'csv=p=0',
      '-read_intervals',
      '%+1',
    ];
    const player = rig.run('ffprobe', [...probe, url.replace('%23', '#')]);
    await vi.waitFor(() => expect(player.child.exitCode).not.toBeNull(), WAIT);
    feed[Symbol.dispose]();
    expect(player.output().toString().trim()).toContain('hevc,320');
  });

  it('asks the access control with what the stream id says, and tells it the end', async () => {
    const access = new ScriptedAccess();
    rig = await start({}, access);
    const publisher = rig.publish('#!::r=cam,m=publish,token=secret,place=roof,appKey=shop');
    await rig.live('cam');
    const custom = { token: 'secret', place: 'roof' };
    expect(access.calls.slice(0, 4)).toMatchObject([
      { what: 'connect', fields: { protocol: 'srt', appKey: 'shop', remoteAddress: '127.0.0.1', custom } },
      { what: 'established' },
      { what: 'publish', fields: { name: 'cam', mediaProvider: 'SRT', custom } },
      { what: 'active' },
    ]);
    const shown = [...rig.hub.sessions.all(), ...rig.hub.connections.all()].map((entry) => entry.describe());
    expect(JSON.stringify(shown)).toContain('roof');
    expect(JSON.stringify([shown, rig.hub.log.lines])).not.toContain('secret');
    publisher.kill('SIGKILL');
    await vi.waitFor(() => expect(access.whats.slice(-2)).toEqual(['ended', 'end']), WAIT);
    expect(access.calls.at(-2)?.fields).toMatchObject({ status: 'UNPUBLISHED' });
    expect([access.open, access.problems]).toEqual([0, []]);
  });

  it.each([
    ['connect', 'APPLICATION_UNKNOWN', REFUSAL.forbidden],
    ['publish', 'TOKEN_REQUIRED', REFUSAL.unauthorised],
    ['publish', 'TOO_MANY_ATTEMPTS', REFUSAL.overload],
  ] as const)('refuses at the handshake when %s is denied for %s', async (what, code, reason) => {
    const access = new ScriptedAccess();
    access.answer = (asked) => {
      if (asked === what) throw new MediaServerError(code, 'no');
      return undefined;
    };
    rig = await start({}, access);
    expect(await refusalOf('publish:cam')).toBe(reason);
    await vi.waitFor(() => expect(access.open).toBe(0));
    expect(pids()).toEqual([]);
    expect(rig.hub.counters.of('srt_refused')).toBe(1);
  });

  it('refuses stream ids that say nothing, names that are taken, and streams that are not there', async () => {
    rig = await start();
    rig.stream('taken');
    expect(await refusalOf('')).toBe(REFUSAL.badRequest);
    expect(await refusalOf('publish:taken')).toBe(REFUSAL.conflict);
    expect(await refusalOf('read:nothing')).toBe(REFUSAL.notFound);
    expect(pids()).toEqual([]);
  });

  it('takes callers with the right passphrase only', async () => {
    rig = await start({ passphrase: 'correct horse' });
    const wrong = rig.publish('publish:cam', '&passphrase=battery staple');
    const without = rig.publish('publish:cam');
    await vi.waitFor(() => expect([wrong.exitCode, without.exitCode]).not.toContain(null), WAIT);
    expect([rig.hub.streams.size, rig.hub.counters.of('srt_refused')]).toEqual([0, 2]);
    rig.publish('publish:cam', '&passphrase=correct horse&pbkeylen=32');
    await rig.live('cam');
    const player = rig.play('read:cam', '&passphrase=correct horse');
    await vi.waitFor(() => expect(player.output().length).toBeGreaterThan(20_000), WAIT);
  });

  it('ends its sessions when the process of the library is killed, tells the callers, and takes new ones', async () => {
    rig = await start();
    const publisher = rig.publish('publish:cam');
    await rig.live('cam');
    const [pid] = pids();
    process.kill(pid ?? 0, 'SIGKILL');
    await vi.waitFor(() => expect(rig.server.sessionCount).toBe(0), WAIT);
    // Not after the five seconds that it takes to miss somebody.
    await vi.waitFor(() => expect(publisher.exitCode).not.toBeNull(), { timeout: 4000 });
    rig.publish('publish:cam');
    await rig.live('cam');
    expect(pids()).not.toContain(pid);
  });

  it('lets go of a player that is stopped, and nobody else notices', async () => {
    rig = await start();
    rig.publish('publish:cam');
    await rig.live('cam');
    const [stopped, other] = [rig.play('read:cam'), rig.play('read:cam')];
    await vi.waitFor(() => expect(rig.server.sessionCount).toBe(3), WAIT);
    await vi.waitFor(() => expect(stopped.output().length).toBeGreaterThan(10_000), WAIT);
    stopped.child.kill('SIGSTOP');
    await vi.waitFor(() => expect(rig.server.sessionCount).toBe(2), WAIT);
    const before = other.output().length;
    await vi.waitFor(() => expect(other.output().length).toBeGreaterThan(before + 20_000), WAIT);
    expect(demuxed(other.output()).broken).toBe(0);
  });

  it('ends a session when it is told to, which the publisher notices', async () => {
    rig = await start();
    const publisher = rig.publish('publish:cam');
    await rig.live('cam');
    for (const session of rig.hub.sessions.all()) session.close('by the operator');
    expect(rig.hub.streams.get('cam')).toBeUndefined();
    await vi.waitFor(() => expect(publisher.exitCode).not.toBeNull(), { timeout: 4000 });
  });
});

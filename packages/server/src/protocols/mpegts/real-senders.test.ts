import { execFile, execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { joinAnnexB, type MediaPacket } from '@sluice/media';
import { afterAll, afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { prng } from '../../../../media/src/testing/mutate.ts';
import { datagramsOf, inRtp, MpegtsRig } from './testing/rig.ts';

const run = promisify(execFile);
const directory = mkdtempSync(join(tmpdir(), 'sluice-mpegts-'));
afterAll(() => rmSync(directory, { recursive: true }));

const VIDEO = ['-f', 'lavfi', '-i', 'testsrc2=size=320x240:rate=25:duration=3'];
const AUDIO = ['-f', 'lavfi', '-i', 'sine=frequency=440:sample_rate=48000:duration=3'];
const X264 = ['-c:v', 'libx264', '-preset', 'veryfast', '-g', '25', '-bf', '3', '-pix_fmt', 'yuv420p'];
const X265 = ['-c:v', 'libx265', '-preset', 'ultrafast', '-x265-params', 'log-level=none:keyint=25:bframes=3'];
const AAC = ['-c:a', 'aac', '-ac', '2'];

const FILES: Readonly<Record<string, { readonly args: string[]; readonly video: number; readonly audio: number }>> = {
  'H.264 with B-frames and AAC': { args: [...VIDEO, ...AUDIO, ...X264, ...AAC], video: 75, audio: 142 },
  'H.265 and AAC': { args: [...VIDEO, ...AUDIO, ...X265, ...AAC], video: 75, audio: 142 },
  'sound only': { args: [...AUDIO, ...AAC], video: 0, audio: 142 },
};

function encode(name: string): string {
  const path = join(directory, `${name.replace(/\W/g, '-')}.ts`);
  execFileSync('ffmpeg', ['-v', 'error', '-y', ...(FILES[name]?.args ?? []), '-f', 'mpegts', path]);
  return path;
}

/** Presentation and decoding times of all packets, microseconds from the first decoding time on. */
function probe(path: string, kind: 'video' | 'audio'): { ptsUs: number; dtsUs: number; key: boolean }[] {
  const args = ['-v', 'error', '-show_packets', '-of', 'json', path];
  const { packets } = JSON.parse(execFileSync('ffprobe', args, { encoding: 'utf8', maxBuffer: 1 << 28 })) as {
    packets: { codec_type: string; pts: number; dts: number; flags: string }[];
  };
  const first = Math.min(...packets.map(({ dts }) => dts));
  const own = packets.filter(({ codec_type: type }) => type === kind);
  const us = (ticks: number): number => ((ticks - first) * 100) / 9;
  return own.map(({ pts, dts, flags }) => ({ ptsUs: us(pts), dtsUs: us(dts), key: flags.startsWith('K') }));
}

const ofKind = (packets: readonly MediaPacket[], kind: string): MediaPacket[] =>
  packets.filter(({ track }) => track.kind === kind);

/** Hashes of the pictures that a decoder makes. */
function pictures(path: string): string[] {
  const args = ['-v', 'error', '-i', path, '-map', '0:v', '-fps_mode', 'passthrough', '-f', 'framemd5', '-'];
  const lines = execFileSync('ffmpeg', args, { encoding: 'utf8' }).split('\n');
  return lines.filter((line) => /^\d/.test(line)).map((line) => line.split(',')[5]?.trim() ?? '');
}

function picturesOf(packets: readonly MediaPacket[]): string[] {
  const [first] = ofKind(packets, 'video');
  const path = join(directory, `pictures.${first?.track.codec}`);
  const bytes = ofKind(packets, 'video').map(({ track, units, key }) =>
    joinAnnexB(key ? [...track.parameters, ...units] : units),
  );
  writeFileSync(path, Buffer.concat(bytes));
  return pictures(path);
}

let rig: MpegtsRig;
beforeEach(() => {
  rig = new MpegtsRig();
});
afterEach(() => rig.close());

describe('transport streams that ffmpeg sends', () => {
  it.each(
    Object.keys(FILES).flatMap((name) => [
      [name, 'UDP'],
      [name, 'RTP'],
    ]),
  )(
    'come frame by frame as ffprobe reads the file: %s by %s',
    async (name, transport) => {
      const path = encode(name);
      const { port, packets, stream, facts } = await rig.input();
      expect(facts).toMatchObject({ receiving: false, hasVideo: false, hasAudio: false, protocol: 'mpegts' });
      const [format, scheme] = transport === 'UDP' ? ['mpegts', 'udp'] : ['rtp_mpegts', 'rtp'];
      const target = `${scheme}://127.0.0.1:${port}?pkt_size=1316`;
      await run('ffmpeg', [
        '-v',
        'error',
        '-readrate',
        '6',
        '-i',
        path,
        '-map',
        '0',
        '-c',
        'copy',
        '-f',
        format,
        target,
      ]);
      const { video, audio } = FILES[name] ?? { video: 0, audio: 0 };
      // ffmpeg's muxer for RTP keeps its last bytes to itself: up to a PES packet of sound, and the last picture.
      const kept = transport === 'RTP' ? 9 : 0;
      // The last picture is known to be whole when the stream ends.
      await vi.waitFor(() => expect(packets.length).toBeGreaterThanOrEqual(video + audio - 2 - kept));
      expect(rig.server.all()).toMatchObject([{ receiving: true, hasVideo: video > 0, hasAudio: true }]);
      expect([...rig.hub.sessions.all()].map((session) => session.describe())).toMatchObject([
        { protocol: 'mpegts', mediaProvider: 'MPEGTS', mediaType: 'publish', streamName: 'ts', transport: 'UDP' },
      ]);
      expect(rig.server.end(({ streamName }) => streamName === 'ts', 'test')).toBe(1);
      expect(stream.ended).toBe(true);
      const firstUs = Math.min(...packets.map(({ dtsUs }) => dtsUs));
      for (const kind of ['video', 'audio'] as const) {
        const got = ofKind(packets, kind);
        const want = probe(path, kind);
        expect(got.length).toBeLessThanOrEqual(want.length);
        expect(got.length).toBeGreaterThanOrEqual(want.length - kept);
        for (const [i, packet] of got.entries()) {
          expect(packet.key).toBe(want[i]?.key);
          expect(Math.abs(packet.ptsUs - firstUs - (want[i]?.ptsUs ?? 0))).toBeLessThan(100);
          expect(Math.abs(packet.dtsUs - firstUs - (want[i]?.dtsUs ?? 0))).toBeLessThan(100);
        }
      }
      if (video === 0) return;
      const shown = picturesOf(packets);
      expect(shown.length).toBe(ofKind(packets, 'video').length);
      expect(shown).toEqual(pictures(path).filter((hash) => transport === 'UDP' || shown.includes(hash)));
    },
    20_000,
  );

  it.each([
    ['x264enc bframes=2 b-adapt=false key-int-max=25 speed-preset=ultrafast ! h264parse', 'h264', ''],
    ['x265enc key-int-max=25 speed-preset=ultrafast ! h265parse', 'h265', 'rtpmp2tpay !'],
  ])(
    'come whole from GStreamer, too: %s, %s %s',
    async (encoder, codec, payloader) => {
      const { port, packets } = await rig.input();
      const video = `videotestsrc num-buffers=50 ! video/x-raw,format=I420,width=160,height=120,framerate=25/1 ! ${encoder}`;
      const audio = 'audiotestsrc num-buffers=94 ! audio/x-raw,rate=48000,channels=2 ! voaacenc ! aacparse';
      const sink = `mpegtsmux name=mux alignment=7 ! ${payloader} udpsink host=127.0.0.1 port=${port} sync=false`;
      await run('gst-launch-1.0', ['-q', ...`${video} ! ${sink} ${audio} ! queue ! mux.`.split(' ').filter(Boolean)]);
      await vi.waitFor(() => expect(packets.length).toBeGreaterThanOrEqual(49 + 85));
      rig.server.end(() => true, 'test');
      const pictures = ofKind(packets, 'video');
      expect(pictures.map(({ track }) => track.codec)).toEqual(Array(pictures.length).fill(codec));
      expect(pictures.length).toBeGreaterThanOrEqual(49);
      const shown = pictures.map(({ ptsUs }) => ptsUs).sort((a, b) => a - b);
      for (const [i, time] of shown.entries())
        if (i > 0) expect(Math.abs(time - (shown[i - 1] ?? 0) - 40_000)).toBeLessThan(100);
      expect(picturesOf(packets).length).toBe(pictures.length);
      expect(rig.hub.counters.of('mpegts_bad_packets')).toBe(0);
    },
    20_000,
  );

  it('are whole in spite of packets of RTP that come late, early or twice', async () => {
    const bytes = new Uint8Array(readFileSync(encode('H.264 with B-frames and AAC')));
    const { port, packets } = await rig.input();
    const sent = inRtp(datagramsOf(bytes));
    const random = prng(3);
    for (let i = 0; i < sent.length; i++) {
      const other = Math.min(sent.length - 1, i + Math.floor(random() * 8));
      const [a, b] = [sent[i], sent[other]];
      if (i > 0 && random() < 0.2 && a && b) [sent[i], sent[other]] = [b, a];
    }
    await (await rig.sender(port)).send(
      sent.flatMap((datagram) => (random() < 0.2 ? [datagram, datagram] : [datagram])),
    );
    await vi.waitFor(() => expect(packets.length).toBeGreaterThanOrEqual(75 + 142 - 2));
    rig.server.end(() => true, 'test');
    expect([ofKind(packets, 'video').length, ofKind(packets, 'audio').length]).toEqual([75, 142]);
    expect(picturesOf(packets).length).toBe(75);
  }, 20_000);

  it.each(['plain', 'RTP'])(
    'never give a broken picture when datagrams are lost, swapped and doubled: %s',
    async (how) => {
      const path = encode('H.264 with B-frames and AAC');
      const datagrams = datagramsOf(new Uint8Array(readFileSync(path)));
      const intact = new Set(pictures(path));
      for (const seed of [1, 2, 3, 4]) {
        const random = prng(seed);
        const { port, packets } = await rig.input({ streamName: `lossy ${seed}` });
        const sent = (how === 'RTP' ? inRtp(datagrams) : datagrams).flatMap((datagram, i) => {
          if (i > 0 && random() < 0.04) return [];
          return random() < 0.02 ? [datagram, datagram] : [datagram];
        });
        for (let i = 2; i < sent.length; i++) {
          const [a, b] = [sent[i - 1], sent[i]];
          if (random() < 0.01 && a && b) [sent[i - 1], sent[i]] = [b, a];
        }
        await (await rig.sender(port)).send(sent);
        await vi.waitFor(() => expect(packets.length).toBeGreaterThan(30));
        await new Promise((resolve) => setTimeout(resolve, 150));
        rig.server.end(() => true, 'test');
        const shown = picturesOf(packets);
        expect(shown.filter((hash) => !intact.has(hash))).toEqual([]);
        expect(shown.length).toBe(ofKind(packets, 'video').length);
        expect(shown.length).toBeLessThan(75);
      }
      expect(rig.hub.counters.of('mpegts_bad_packets')).toBeGreaterThan(0);
    },
    30_000,
  );
});

import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { codecString, type MediaPacket, parseSps, sliceType, videoSize } from '@sluice/media';
import { afterAll, describe, expect, test } from 'vitest';
import { decodeSound, ffmpeg, firstLoudUs, flvClip, jpegClip, mp4Clip, mp4Of, vp8Clip } from './testing/clips.ts';
import { convert, Recording, testEngine, until } from './testing/run.ts';

const { engine, counters } = testEngine({ videoPreset: 'ultrafast' });
afterAll(() => engine.close());

const SECONDS = 3;
const FLASH = "drawbox=c=white:t=fill:enable='between(t,1,1.5)'";

/** Moving pictures, all white from 1 s to 1.5 s, as input of ffmpeg. */
function pictures(size = '320x240', rate = 30, seconds = SECONDS): string[] {
  const source = `testsrc2=s=${size}:r=${rate}:d=${seconds},${FLASH}`;
  return ['-f', 'lavfi', '-i', source, '-pix_fmt', 'yuv420p', '-g', '30'];
}

const H264 = ['-c:v', 'libx264', '-preset', 'veryfast', '-profile:v', 'high', '-bf', '3', '-sc_threshold', '0'];
const H265 = ['-c:v', 'libx265', '-preset', 'ultrafast', '-tag:v', 'hvc1'];
const H265_B = [...H265, '-x265-params', 'log-level=none:bframes=3:open-gop=0'];
const VP9 = ['-c:v', 'libvpx-vp9', '-deadline', 'realtime', '-cpu-used', '8'];
const AV1 = ['-c:v', 'libaom-av1', '-cpu-used', '8', '-lag-in-frames', '0', '-usage', 'realtime'];

const SOURCES: readonly (readonly [string, () => MediaPacket[] | Promise<MediaPacket[]>])[] = [
  ['H.264 with B-frames', () => mp4Clip([...pictures(), ...H264])],
  ['H.265 with B-frames', () => mp4Clip([...pictures(), ...H265_B])],
  ['H.265 with 10 bits', () => mp4Clip([...pictures(), ...H265_B, '-pix_fmt', 'yuv420p10le'])],
  ['VP8', () => vp8Clip([...pictures(), '-deadline', 'realtime', '-cpu-used', '8'])],
  ['VP9', () => mp4Clip([...pictures(), ...VP9])],
  ['AV1', () => mp4Clip([...pictures(), ...AV1])],
  ['Sorenson Spark', () => flvClip([...pictures(), '-c:v', 'flv1'])],
  ['Motion JPEG', () => jpegClip([...pictures(), '-pix_fmt', 'yuvj420p'], 30)],
  ['Motion JPEG with 4:2:2', () => jpegClip([...pictures(), '-pix_fmt', 'yuvj422p'], 30)],
];

describe('a conversion of pictures', { timeout: 60_000 }, () => {
  test.each(SOURCES)('turns %s into H.264 in order, each picture at its time', async (_name, clip) => {
    const source = await clip();
    const packets = await convert(engine, source, { codec: 'h264' });
    const wanted = source.map(({ ptsUs }) => ptsUs).sort((a, b) => a - b);
    const times = packets.map(({ ptsUs }) => ptsUs);
    // The last ones are still held back by the decoder, which does not know that there are no more.
    expect(times.length).toBeGreaterThanOrEqual(wanted.length - 4);
    expect(times).toEqual(wanted.slice(0, times.length));
    expect(packets.every(({ ptsUs, dtsUs }) => ptsUs === dtsUs)).toBe(true);
    expect(packets.some((packet) => sliceType(packet) === 'B')).toBe(false);
    const lights = lightsOf(packets);
    expect(lights).toHaveLength(packets.length);
    expect(times[lights.findIndex((light) => light > 220)]).toBe(wanted.find((timeUs) => timeUs > 990_000));
  });

  test('keeps the sound with the picture', async () => {
    const tone = `aevalsrc='if(between(t,1,1.5),0.5*sin(2*PI*1000*t),0)':s=48000:d=${SECONDS}`;
    const clip = await mp4Clip(['-f', 'lavfi', '-i', tone, ...pictures(), ...H264, '-c:a', 'aac', '-ac', '2']);
    const [seen, heard] = await Promise.all([
      convert(engine, tracked(clip, 'video'), { codec: 'h264' }),
      convert(engine, tracked(clip, 'audio'), { codec: 'opus' }),
    ]);
    const flashUs = seen[lightsOf(seen).findIndex((light) => light > 220)]?.ptsUs ?? 0;
    expect(Math.abs(firstLoudUs(decodeSound(heard)) - flashUs)).toBeLessThan(2000);
  });

  test('makes constrained baseline of the level that the size needs, with parameter sets in the track alone', async () => {
    const small = await convert(engine, await mp4Clip([...pictures(), ...H264]), { codec: 'h264' });
    const large = await convert(engine, await mp4Clip([...pictures('1920x1080', 10, 1), ...H264, '-bf', '0']), {
      codec: 'h264',
    });
    expect(small[0] && codecString(small[0].track)).toBe('avc1.42E01F');
    expect(large[0] && codecString(large[0].track)).toBe('avc1.42E028');
    expect(large[0] && videoSize(large[0].track)).toMatchObject({ width: 1920, height: 1080 });
    expect(parseSps(small[0]?.track.parameters[0] ?? new Uint8Array()).maxReorderFrames).toBe(0);
    const types = small.flatMap(({ units }) => units.map((unit) => (unit[0] ?? 0) & 0x1f));
    expect(types).not.toContain(7);
    expect(types).not.toContain(8);
    expect([...new Set(small.map(({ track }) => track))]).toHaveLength(1);
  });

  test('has a key frame every two seconds, wherever the source has them, and when one is asked for', async () => {
    const source = await mp4Clip([...pictures('320x240', 30, 6), ...H264]);
    const recording = new Recording(engine, source[0]?.track ?? never(), { codec: 'h264' });
    await recording.play(source.slice(0, 145));
    await recording.reaches(4_700_000);
    recording.conversion.requestKeyFrame();
    await recording.play(source.slice(145));
    await recording.reaches(5_800_000);
    recording.conversion.close();
    const keys = recording.packets.filter(({ key }) => key).map(({ ptsUs }) => ptsUs);
    expect(keys.map((timeUs) => Math.round(timeUs / 1e5) / 10)).toEqual([0, 2, 4, 4.8]);
    for (const packet of recording.packets)
      expect(packet.key).toBe(packet.units.some((unit) => (unit[0] ?? 0) % 32 === 5));
  });

  test.each([30, 12])('keeps to the bitrate that it is given, at %i pictures a second', async (rate) => {
    const noise = ['-f', 'lavfi', '-i', `testsrc2=s=320x240:r=${rate}:d=8,noise=alls=20:allf=t`, '-g', '60'];
    // The parameters of VP8 tell no rate: it has to be seen.
    const source = vp8Clip([...noise, '-pix_fmt', 'yuv420p', '-b:v', '2M', '-deadline', 'realtime', '-cpu-used', '8']);
    const packets = await convert(engine, source, { codec: 'h264', bitrateBps: 400_000 });
    const late = packets.filter(({ ptsUs }) => ptsUs >= 4e6);
    const bits = 8 * late.reduce((sum, { byteLength }) => sum + byteLength, 0);
    expect(Math.abs(bits / 4 / 400_000 - 1)).toBeLessThan(0.25);
  });

  test('follows a source that changes its size, with a new track and a key frame', async () => {
    const first = await mp4Clip([...pictures(), ...H264, '-bf', '0']);
    const second = (await mp4Clip([...pictures('642x362', 30, 2), ...H264, '-bf', '0'])).map((packet) => ({
      ...packet,
      ptsUs: packet.ptsUs + 3_000_000,
      dtsUs: packet.dtsUs + 3_000_000,
    }));
    const recording = new Recording(engine, first[0]?.track ?? never(), { codec: 'h264' });
    await recording.play([...first, ...second]);
    await recording.reaches(second.at(-1)?.ptsUs ?? 0);
    recording.conversion.close();
    const { packets } = recording;
    const tracks = [...new Set(packets.map(({ track }) => track))];
    expect(tracks.map((track) => videoSize(track))).toMatchObject([
      { width: 320, height: 240 },
      { width: 642, height: 362 },
    ]);
    expect(packets.find(({ track }) => track === tracks[1])).toMatchObject({ key: true, ptsUs: 3_000_000 });
    expect(packets).toHaveLength(first.length + second.length);
  });

  test('follows VP8, whose size changes without a word', async () => {
    const clip = (size: string) => vp8Clip([...pictures(size, 30, 1), '-deadline', 'realtime', '-cpu-used', '8']);
    const second = clip('160x120').map((packet) => ({
      ...packet,
      ptsUs: packet.ptsUs + 1e6,
      dtsUs: packet.dtsUs + 1e6,
    }));
    const packets = await convert(engine, [...clip('320x240'), ...second], { codec: 'h264' });
    const sizes = [...new Set(packets.map(({ track }) => track))].map((track) => videoSize(track)?.width);
    expect(sizes).toEqual([320, 160]);
  });

  test('takes one line off pictures of an odd size, which H.264 does not have', async () => {
    const odd = ['-f', 'lavfi', '-i', 'testsrc2=s=321x241:r=30:d=1', '-pix_fmt', 'yuv444p', '-c:v', 'libx264'];
    const packets = await convert(engine, await mp4Clip(odd), { codec: 'h264' });
    expect(packets[0] && videoSize(packets[0].track)).toMatchObject({ width: 320, height: 240 });
  });

  test('tells what the colours mean, as the source does', async () => {
    const colours = ['-color_range', 'pc', '-colorspace', 'bt709', '-color_primaries', 'bt709', '-color_trc', 'bt709'];
    const source = await mp4Clip([...pictures('320x240', 30, 1), ...VP9, ...colours]);
    const packets = await convert(engine, source, { codec: 'h264' });
    const shown = ['-v', 'error', '-show_entries', 'stream=color_range,color_space', '-of', 'csv=p=0', '-'];
    expect(execFileSync('ffprobe', shown, { input: mp4Of(packets), encoding: 'utf8' }).trim()).toBe('pc,bt709');
  });

  test('begins at a key frame of the source, and asks for one', async () => {
    const source = await mp4Clip([...pictures(), ...H264]);
    const recording = new Recording(engine, source[0]?.track ?? never(), { codec: 'h264' });
    await recording.play(source.slice(10));
    await recording.reaches(2_500_000);
    recording.conversion.close();
    expect(recording.keyFrameAsks).toBe(1);
    expect(recording.packets[0]).toMatchObject({ key: true, ptsUs: 1_000_000 });
  });

  test('counts damaged pictures, and goes on with good ones', async () => {
    const source = await mp4Clip([...pictures(), ...H264]);
    const damaged = source.map((packet, index) => {
      if (index % 30 === 0 || index > 60) return packet;
      return {
        ...packet,
        units: packet.units.map((unit) => unit.map((byte, at) => (at > 3 ? byte ^ (at * 7) : byte))),
      };
    });
    const before = counters.of('engine_damaged_packets');
    const packets = await convert(engine, damaged, { codec: 'h264' });
    expect(counters.of('engine_damaged_packets')).toBeGreaterThan(before);
    expect(packets.filter(({ ptsUs }) => ptsUs >= 2_033_000).length).toBeGreaterThan(25);
  });

  test('survives 1000 packets of garbage in each codec', async () => {
    const before = counters.of('engine_damaged_packets');
    for (const codec of ['h264', 'h265', 'vp8', 'vp9', 'av1', 'flv1'] as const) {
      const track = { id: 0, kind: 'video', codec, clockRate: 90_000, parameters: [] } as const;
      const recording = new Recording(engine, track, { codec: 'h264' });
      for (let index = 0; index < 1000; index += 1) {
        const bytes = Uint8Array.from({ length: 1 + (index % 200) }, (_unused, at) => (at * 31 + index * 17) & 0xff);
        const times = { ptsUs: index * 1000, dtsUs: index * 1000, key: true };
        recording.conversion.push({ track, units: [bytes], ...times, byteLength: bytes.length });
      }
      await until(() => recording.conversion.cost?.().queued === 0, 'all of it is worked off');
      const good = await convert(engine, await mp4Clip([...pictures('160x120', 30, 1), ...H264]), { codec: 'h264' });
      expect(good.length).toBeGreaterThan(20);
      recording.conversion.close();
    }
    expect(counters.of('engine_damaged_packets') - before).toBeGreaterThan(1000);
    expect(counters.of('engine_worker_deaths')).toBe(0);
  });

  test('does not decode pictures that are larger than allowed', async () => {
    const limited = testEngine({ maxPicturePixels: 300 * 200 });
    const source = await mp4Clip([...pictures(), ...H264]);
    const recording = new Recording(limited.engine, source[0]?.track ?? never(), { codec: 'h264' });
    for (const packet of source) recording.conversion.push(packet);
    const isTold = () => limited.counters.of('engine_damaged_packets') > 0 || recording.failures.length > 0;
    await until(isTold, 'it is refused');
    expect(recording.packets).toEqual([]);
    await limited.engine.close();
  });

  test('gives memory back: 60 conversions need no more than the first 20', async () => {
    const own = testEngine({ videoPreset: 'ultrafast' });
    const clip = (await mp4Clip([...pictures('640x360', 30, 1), ...H264, '-bf', '0'])).slice(0, 10);
    const keep = new Recording(own.engine, clip[0]?.track ?? never(), { codec: 'h264' });
    const [pid] = own.engine.stats().workers.map((worker) => worker.pid);
    const churn = async (count: number) => {
      for (let index = 0; index < count; index += 1) await convert(own.engine, clip, { codec: 'h264' });
      return 4096 * Number(readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ')[1]);
    };
    const before = await churn(20);
    expect((await churn(40)) - before).toBeLessThan(12e6);
    expect(own.engine.stats().workers).toHaveLength(1);
    keep.conversion.close();
    await own.engine.close();
  });

  test('goes on at the next key frame when its worker is killed', async () => {
    const own = testEngine({ videoPreset: 'ultrafast' });
    const source = await mp4Clip([...pictures('320x240', 30, 5), ...H264]);
    const recording = new Recording(own.engine, source[0]?.track ?? never(), { codec: 'h264' });
    await recording.play(source.slice(0, 40));
    await recording.reaches(1_000_000);
    process.kill(own.engine.stats().workers[0]?.pid ?? 0, 'SIGKILL');
    await until(() => own.counters.of('engine_worker_deaths') === 1, 'the death is noticed');
    expect(recording.keyFrameAsks).toBe(1);
    await recording.play(source.slice(40));
    await recording.reaches(4_700_000);
    expect(own.counters.of('engine_dropped_packets')).toBe(20);
    const times = recording.packets.map(({ ptsUs }) => ptsUs);
    expect(times).toEqual([...new Set(times)].sort((a, b) => a - b));
    expect(recording.packets.find(({ ptsUs }) => ptsUs >= 1_900_000)).toMatchObject({ key: true, ptsUs: 2_000_000 });
    expect(new Set(recording.packets.map(({ track }) => track)).size).toBe(1);
    await own.engine.close();
  });
});

function tracked(packets: readonly MediaPacket[], kind: 'video' | 'audio'): MediaPacket[] {
  return packets.filter(({ track }) => track.kind === kind);
}

/** The mean light of each picture, 0 to 255, as the system's ffmpeg decodes them. */
function lightsOf(packets: readonly MediaPacket[]): number[] {
  const output = ['-vf', 'scale=1:1:flags=area,format=gray', '-vsync', 'passthrough', '-f', 'rawvideo', '-'];
  return [...ffmpeg(['-i', '-', ...output], mp4Of(packets))];
}

function never(): never {
  throw new Error('the clip is empty');
}

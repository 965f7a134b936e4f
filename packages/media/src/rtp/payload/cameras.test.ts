import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, describe, expect, test } from 'vitest';
import { aacTrack, g726Track, l16Track, parseAacConfig, speexTrack, writeAdts } from '../../codec/index.ts';
import type { MediaPacket, Track } from '../../packet.ts';
import { readMediaTracks, writeStreamSdp } from '../../sdp/index.ts';
import { joinBytes } from '../bytes.ts';
import { writeRtp } from '../rtp-packet.ts';
import { type DepacketizedFrame, isRtpCodec, rtpClockRate, rtpDepacketizer, rtpPacketizer } from './index.ts';
import { sentByFfmpeg, serveRtsp } from './testing/ffmpeg-peer.ts';

const run = promisify(execFile);
const directory = mkdtempSync(join(tmpdir(), 'sluice-cameras-'));
afterAll(() => rmSync(directory, { recursive: true }));

/** Encoders take their time on a busy machine. */
const SLOW = { timeout: 60_000 };
const MAX_PAYLOAD_BYTES = 1000;
const SOUND = ['-f', 'lavfi', '-i', 'aevalsrc=sin(880*t*PI)|sin(600*t*PI):s=48000:d=1'];
const PICTURES = ['-f', 'lavfi', '-i', 'testsrc2=size=320x240:rate=25:duration=1'];

/** What ffmpeg sends, through our reading of its description and our depacketizer. */
async function received(args: readonly string[], name: string, rtpFlags: readonly string[] = []) {
  const { sdp, packets } = await sentByFfmpeg(args, { rtpFlags, sdpPath: join(directory, `${name}.sdp`) });
  const { tracks, notes } = readMediaTracks(sdp);
  const [track] = tracks;
  if (track === undefined || !isRtpCodec(track.codec)) return expect.fail(`${notes.join()} in ${sdp}`);
  const depacketizer = rtpDepacketizer(track.codec, track);
  const frames = packets.flatMap((packet) => allOf(depacketizer.push(packet, false)));
  expect(packets[0]?.payloadType).toBe(track.payloadType);
  return { track, packets, frames };
}

function allOf(frame: DepacketizedFrame | undefined): readonly DepacketizedFrame[] {
  return frame === undefined ? [] : [frame, ...(frame.more ?? [])];
}

/** Encodes to a file and gives its bytes. */
async function encoded(name: string, args: readonly string[]): Promise<Uint8Array> {
  const path = join(directory, name);
  await run('ffmpeg', ['-v', 'error', '-y', ...args, path]);
  return new Uint8Array(readFileSync(path));
}

async function decoded(input: readonly string[], output: readonly string[]): Promise<string[]> {
  const { stdout } = await run('ffmpeg', ['-v', 'error', ...input, ...output, '-']);
  return stdout.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
}

/** What ffmpeg gets of us as an RTSP player, by our own description. */
async function playedByFfmpeg(track: Track, packets: readonly MediaPacket[], output: readonly string[]) {
  if (!isRtpCodec(track.codec)) return expect.fail();
  const sdp = writeStreamSdp([track]);
  const payloadType = readMediaTracks(sdp).tracks[0]?.payloadType ?? expect.fail();
  const packetizer = rtpPacketizer(track.codec);
  let sequence = 65_530;
  const sent = packets.flatMap((packet) =>
    packetizer.packetize(packet, MAX_PAYLOAD_BYTES).map(({ payload, marker, timestampOffset }) => {
      expect(payload.length).toBeLessThanOrEqual(MAX_PAYLOAD_BYTES);
      sequence += 1;
      const timestamp = Math.round((packet.ptsUs * rtpClockRate(track)) / 1e6) + timestampOffset;
      return writeRtp({ payloadType, marker, sequence, timestamp, ssrc: 7 }, payload);
    }),
  );
  const server = await serveRtsp(sdp, sent);
  try {
    return await decoded(['-rtsp_transport', 'tcp', '-i', server.url], output);
  } finally {
    server.close();
  }
}

function packetsOf(track: Track, frames: readonly DepacketizedFrame[], clockRate: number): MediaPacket[] {
  const start = frames[0]?.timestamp ?? 0;
  return frames.map(({ units, timestamp }) => {
    const ptsUs = ((timestamp - start) / clockRate) * 1e6;
    return { track, units, ptsUs, dtsUs: ptsUs, key: true, byteLength: units[0]?.length ?? 0 };
  });
}

const MD5 = ['-f', 'md5'];

describe('AAC', () => {
  const encode = [...SOUND, '-c:a', 'aac', '-b:a', '96k', '-bitexact'];

  /** The frames as an ADTS file, which leaves no bit of them out. */
  function asAdts(track: { parameters?: readonly Uint8Array[] | undefined }, frames: readonly DepacketizedFrame[]) {
    const config = parseAacConfig(track.parameters?.[0] ?? expect.fail());
    return joinBytes(
      frames.flatMap(({ units: [unit] }) => [writeAdts(config, unit?.length ?? 0), unit ?? expect.fail()]),
    );
  }

  test.each([
    ['with AU headers, several frames a packet,', 'aac', []],
    ['as LATM', 'aac-latm', ['latm']],
  ])('%s comes out frame by frame, evenly spaced', SLOW, async (_, name, flags) => {
    const adts = await encoded('aac.aac', [...encode, '-f', 'adts']);
    const { track, frames, packets } = await received(encode, name, flags);
    expect(frames.length).toBeGreaterThan(packets.length * (flags.length > 0 ? 0.99 : 1.5));
    // ffmpeg keeps back what would not have filled a packet at the end.
    const got = Buffer.from(asAdts(track, frames));
    expect(got.equals(adts.subarray(0, got.length))).toBe(true);
    expect(got.length).toBeGreaterThan(adts.length * 0.9);
    for (const [index, frame] of frames.entries())
      expect((frame.timestamp - (frames[0]?.timestamp ?? 0)) | 0).toBe(index * 1024);
  });

  test('that we send is the same sound for ffmpeg', SLOW, async () => {
    const { track: described, frames } = await received(encode, 'aac-again', ['latm']);
    const track = aacTrack(1, described.parameters?.[0] ?? expect.fail());
    const path = join(directory, 'aac-again.aac');
    await writeFile(path, asAdts(track, frames));
    const wanted = await decoded(['-i', path], ['-c', 'copy', '-bsf:a', 'aac_adtstoasc', ...MD5]);
    const copy = ['-c', 'copy', ...MD5];
    expect(await playedByFfmpeg(track, packetsOf(track, frames, 48_000), copy)).toEqual(wanted);
  });

  test('of one frame in several packets comes out whole', SLOW, async () => {
    const { track: described, frames } = await received(encode, 'aac-pieces');
    const track = aacTrack(1, described.parameters?.[0] ?? expect.fail());
    const packetizer = rtpPacketizer('aac');
    const depacketizer = rtpDepacketizer('aac', { parameters: track.parameters });
    const packets = packetsOf(track, frames, 48_000);
    const again = packets.flatMap((packet) =>
      packetizer
        .packetize(packet, 64)
        .flatMap(({ payload, marker }) =>
          allOf(depacketizer.push({ payload, marker, timestamp: packet.ptsUs }, false)),
        ),
    );
    expect(again.map(({ units }) => units)).toEqual(frames.map(({ units }) => units));
  });
});

describe.each([
  ['L16', 'l16', ['-ac', '2', '-ar', '44100', '-c:a', 'pcm_s16be'], ['-f', 's16be'], l16Track(1, 44_100, 2)],
  [
    'L16 of one channel',
    'l16-mono',
    ['-ac', '1', '-ar', '16000', '-c:a', 'pcm_s16be'],
    ['-f', 's16be'],
    l16Track(1, 16_000, 1),
  ],
  ...([16, 24, 32, 40] as const).flatMap((rate) =>
    (['rfc3551', 'aal2'] as const).map((packing): [string, string, string[], string[], Track] => [
      `G.726 with ${rate} kbit/s packed as ${packing}`,
      `g726-${rate}-${packing}`,
      ['-ac', '1', '-ar', '8000', '-c:a', packing === 'aal2' ? 'g726' : 'g726le', '-b:a', `${rate}k`],
      ['-f', packing === 'aal2' ? 'g726' : 'g726le'],
      g726Track(1, { bitsPerSample: (rate / 8) as 2 | 3 | 4 | 5, packing }),
    ]),
  ),
])('%s', (...[, name, encode, format, track]) => {
  test('that ffmpeg sends comes out as it was encoded, and the same when we send it again', SLOW, async () => {
    const wanted = await encoded(name, [...SOUND, ...encode, ...format]);
    const { track: described, frames } = await received([...SOUND, ...encode], name);
    expect(described).toMatchObject({ codec: track.codec, clockRate: track.clockRate, parameters: track.parameters });
    expect(Buffer.from(joinBytes(frames.flatMap(({ units }) => units))).equals(wanted)).toBe(true);
    const whole = { units: [wanted], timestamp: 0, key: true, broken: false };
    const got = await playedByFfmpeg(track, packetsOf(track, [whole], track.clockRate), ['-c', 'copy', ...MD5]);
    const { stdout } = await run('md5sum', [join(directory, name)]);
    expect(got).toEqual([`MD5=${stdout.slice(0, 32)}`]);
  });
});

test('Speex that ffmpeg sends comes out packet by packet, and the same when we send it again', SLOW, async () => {
  const encode = [...SOUND, '-ac', '1', '-ar', '16000', '-c:a', 'libspeex', '-bitexact'];
  const { track: described, frames } = await received(encode, 'speex');
  const track = speexTrack(1, described.clockRate);
  expect(described).toMatchObject({ codec: 'speex', clockRate: 16_000 });
  const wanted = await encoded('speex.ogg', encode);
  expect(wanted.length).toBeGreaterThan(1000);
  expect(await playedByFfmpeg(track, packetsOf(track, frames, 16_000), ['-c', 'copy', ...MD5])).toEqual(
    await decoded(['-i', join(directory, 'speex.ogg')], ['-c', 'copy', ...MD5]),
  );
});

describe('JPEG', () => {
  const track: Track = { id: 0, kind: 'video', codec: 'mjpeg', clockRate: 90_000, parameters: [] };

  const FFMPEG = ['ffmpeg', '-v', 'error', ...PICTURES, '-c:v', 'mjpeg', '-huffman', 'default', '-q:v', '5'];
  const GSTREAMER = ['gst-launch-1.0', '-q', 'videotestsrc', 'num-buffers=25', '!'];
  const CAPS = 'width=320,height=240,framerate=25/1';

  test.each([
    ['4:2:0', (path: string) => [...FFMPEG, '-pix_fmt', 'yuvj420p', path]],
    [
      '4:2:2',
      (path: string) =>
        `${GSTREAMER.join(' ')} video/x-raw,format=Y42B,${CAPS} ! jpegenc ! avimux ! filesink location=${path}`.split(
          ' ',
        ),
    ],
  ])('of %s that ffmpeg sends is the same pictures, and so when we send it again', SLOW, async (name, command) => {
    const path = join(directory, `${name.replaceAll(':', '')}.avi`);
    const [program = '', ...args] = command(path);
    await run(program, args);
    const md5 = ['-fps_mode', 'passthrough', '-f', 'framemd5'];
    const sums = (lines: readonly string[]) => lines.map((line) => line.split(',').at(-1)?.trim());
    const wanted = sums(await decoded(['-i', path], md5));
    expect(wanted).toHaveLength(25);

    const { frames } = await received(['-i', path, '-c', 'copy'], `mjpeg-${name}`);
    const files = `${path}.mjpeg`;
    await writeFile(files, joinBytes(frames.flatMap(({ units }) => units)));
    expect(sums(await decoded(['-f', 'mjpeg', '-i', files], md5))).toEqual(wanted);

    const played = await playedByFfmpeg(track, packetsOf(track, frames, 90_000), md5);
    expect(sums(played)).toEqual(wanted);
  });
});

test.each([
  ['h265', ['-c:v', 'libx265', '-x265-params', 'log-level=error', '-preset', 'ultrafast'], 'h265'],
  ['vp8', ['-c:v', 'libvpx', '-b:v', '1M', '-deadline', 'realtime', '-cpu-used', '8'], 'vp8'],
  ['h264', ['-c:v', 'libx264', '-g', '10'], 'h264'],
])('%s is described by ffmpeg so that we receive every picture of it', SLOW, async (name, encode, codec) => {
  const { track, frames } = await received([...PICTURES, ...encode], name);
  expect(track.codec).toBe(codec);
  expect(frames).toHaveLength(25);
  expect(frames.some(({ broken }) => broken)).toBe(false);
});

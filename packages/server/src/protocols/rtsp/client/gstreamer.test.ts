import type { MediaPacket } from '@sluice/media';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { CAMERA_USER, GStreamerCameras } from './testing/gstreamer-cameras.ts';
import { PullRig, until } from './testing/pull-rig.ts';

const PICTURE = 'videotestsrc is-live=true pattern=ball ! video/x-raw,width=320,height=240,framerate=25/1,format=I420';
const SOUND = 'audiotestsrc is-live=true samplesperbuffer=160 ! audio/x-raw,rate=8000,channels=1';
const SOUND_48 = 'audiotestsrc is-live=true ! audio/x-raw,rate=48000,channels=2';
const H264 = `${PICTURE} ! x264enc tune=zerolatency speed-preset=ultrafast key-int-max=10 ! rtph264pay name=pay0 pt=96`;
const H265 = `${PICTURE} ! x265enc tune=zerolatency speed-preset=ultrafast key-int-max=10 ! rtph265pay name=pay0 pt=96`;
const JPEG = `${PICTURE} ! jpegenc ! rtpjpegpay name=pay0`;
const AAC = `${SOUND_48} ! avenc_aac ! aacparse ! rtpmp4gpay name=pay1 pt=97`;
const PCMU = `${SOUND} ! mulawenc ! rtppcmupay name=pay1`;
const OPUS = `${SOUND_48} ! opusenc ! rtpopuspay name=pay1 pt=98`;

/** Pictures at each fifth of a second of the camera's clock, a tick at each full one. */
const FIVE_A_SECOND = H264.replace('framerate=25/1', 'framerate=5/1').replace('key-int-max=10', 'key-int-max=2');
const TICKS = PCMU.replace('audiotestsrc', 'audiotestsrc wave=ticks');

/** How far its pictures are behind: FFmpeg as player finds the same. */
const CAMERA_OFFSET_US = 24_000;

let cameras: GStreamerCameras;
// A server of each test's own: one that answered nobody any more has failed all tests that followed.
beforeEach(async () => {
  cameras = await GStreamerCameras.start({
    h264: { pipeline: `${H264} ${AAC}` },
    h265: { pipeline: `${H265} ${PCMU}` },
    jpeg: { pipeline: `${JPEG} ${OPUS}` },
    ticks: { pipeline: `${FIVE_A_SECOND} ${TICKS}` },
    'tcp-only': { pipeline: `${H264} ${PCMU}`, lower: 'tcp' },
    'udp-only': { pipeline: H264, lower: 'udp' },
  });
});
const rigs: PullRig[] = [];
afterEach(async () => {
  for (const rig of rigs.splice(0)) await rig.close();
  await cameras.close();
});

function rig(...args: ConstructorParameters<typeof PullRig>): PullRig {
  const made = new PullRig(...args);
  rigs.push(made);
  return made;
}

/** Waits for two seconds of both and checks that they are whole and of one time. */
async function expectMedia(pulling: PullRig, codecs: readonly [video: string, audio: string]): Promise<void> {
  const isEnough = (): boolean => pulling.video.length >= 50 && pulling.audio.length >= 40;
  const come = (): string =>
    `${pulling.video.length} pictures, ${pulling.audio.length} sounds, ${pulling.end?.message}`;
  await until(isEnough, come);
  expect(pulling.stream.state).toMatchObject({ video: { codec: codecs[0] }, audio: { codec: codecs[1] } });
  expect(pulling.video[0]?.key).toBe(true);
  const steps = pulling.video.slice(1).map(({ ptsUs }, i) => ptsUs - (pulling.video[i]?.ptsUs ?? 0));
  // The first steps are where sound and picture are brought together.
  for (const stepUs of steps.slice(25)) expect(Math.abs(stepUs - 40_000)).toBeLessThan(25_000);
  const apartUs = (pulling.video.at(-1)?.ptsUs ?? 0) - (pulling.audio.at(-1)?.ptsUs ?? 0);
  expect(Math.abs(apartUs)).toBeLessThan(400_000);
}

test('H.264 and AAC come by TCP', async () => {
  const pulling = rig();
  const link = pulling.pull(cameras.url('open', 'h264'));
  await expectMedia(pulling, ['h264', 'aac']);
  expect(pulling.notes).toEqual([]);
  expect(link.facts()).toMatchObject({ transport: 'TCP', lostPackets: 0 });
});

test('H.265 and G.711 come by UDP', async () => {
  const pulling = rig({ interleaved: false });
  const link = pulling.pull(cameras.url('open', 'h265'));
  await expectMedia(pulling, ['h265', 'pcmu']);
  expect(link.facts().transport).toBe('UDP');
  expect(pulling.notes).toEqual([]);
  link.close('enough');
  expect((await link.ended).code).toBe('closed');
});

test('JPEG and Opus come by TCP', async () => {
  const pulling = rig();
  pulling.pull(cameras.url('open', 'jpeg'));
  await expectMedia(pulling, ['mjpeg', 'opus']);
  const [picture] = pulling.video[5]?.units ?? [];
  expect([picture?.[0], picture?.[1], picture?.at(-2), picture?.at(-1)]).toEqual([0xff, 0xd8, 0xff, 0xd9]);
});

test.each(['digest', 'basic'] as const)('a camera with a password is played with it, by %s', async (server) => {
  const pulling = rig();
  pulling.pull(cameras.url(server, 'h264'));
  await until(() => pulling.video.length > 5 && pulling.audio.length > 5);
  const wrong = cameras.url(server, 'h264').replace(encodeURIComponent(CAMERA_USER.password), 'wrong');
  expect(await rig().pull(wrong).ended).toEqual({
    code: 'refused',
    message: 'it refused the user name or password',
  });
  const none = `rtsp://127.0.0.1:${cameras.ports[server]}/h264`;
  expect(await rig().pull(none).ended).toMatchObject({ code: 'refused', message: /put them into the address/ });
});

test('RTSP over HTTP brings the same', async () => {
  const pulling = rig({ keepAliveIntervalMs: 100 });
  const link = pulling.pull(cameras.url('open', 'h264', 'rtsph'));
  await until(() => pulling.video.length > 20 && pulling.audio.length > 20, pulling.end?.message);
  link.close('enough');
  expect((await link.ended).code).toBe('closed');
});

test('where a camera takes one transport only, it is used, and the next attempt begins with it', async () => {
  const byUdp = rig({ interleaved: false });
  byUdp.pull(cameras.url('open', 'tcp-only'));
  await until(() => byUdp.video.length > 5, byUdp.end?.message);
  expect(byUdp.notes).toEqual([expect.stringMatching(/TCP.*refused/)]);
  byUdp.pull(cameras.url('open', 'tcp-only'));
  const before = byUdp.video.length;
  await until(() => byUdp.video.length > before + 5);
  expect(byUdp.notes.length).toBe(1);

  const byTcp = rig();
  const link = byTcp.pull(cameras.url('open', 'udp-only'));
  await until(() => byTcp.video.length > 5, byTcp.end?.message);
  expect(link.facts().transport).toBe('UDP');
});

test('a camera that drops us in mid-play and comes back goes on later in the same stream', async () => {
  const pulling = rig();
  const first = pulling.pull(cameras.url('open', 'h264'));
  await until(() => pulling.video.length > 10);
  cameras.drop();
  expect(['unreachable', 'ended']).toContain((await first.ended).code);
  const before = pulling.packets.length;
  pulling.pull(cameras.url('open', 'h264'));
  await until(() => pulling.packets.length > before + 30);
  for (const kind of [pulling.video, pulling.audio])
    expect(kind.every(({ dtsUs }, i) => dtsUs >= (kind[i - 1]?.dtsUs ?? 0))).toBe(true);
  expect(pulling.packets[before]?.dtsUs).toBeGreaterThanOrEqual(pulling.packets[before - 1]?.dtsUs ?? 0);
});

test.each([true, false])(
  'sound and picture are together as they were at the camera, interleaved %s',
  async (interleaved) => {
    const pulling = rig({ interleaved });
    pulling.pull(cameras.url('open', 'ticks'));
    const newestUs = (): number => pulling.video.at(-1)?.ptsUs ?? 0;
    /** For each tick that has pictures around it: how far these are from where they were at the camera. */
    const apartUs = (): number[] =>
      tickTimesUs(pulling.audio)
        .filter((tickUs) => newestUs() > tickUs + 250_000)
        .map((tickUs) => Math.min(...pulling.video.map(({ ptsUs }) => Math.abs(ptsUs - tickUs - CAMERA_OFFSET_US))));
    // Before its first reports, times of arrival have to do.
    // On a busy machine the camera leaves pictures out, and is late with its reports.
    const isTogether = (): boolean =>
      apartUs().length > 2 &&
      apartUs()
        .slice(-2)
        .every((us) => us < 15_000);
    await until(isTogether, () => String(apartUs()), 60_000);
  },
  90_000,
);

test('a path that the camera does not have is told apart', async () => {
  expect(await rig().pull(cameras.url('open', 'nothing')).ended).toMatchObject({ code: 'not_found' });
});

/** When ticks begin in G.711 that is silent otherwise. */
function tickTimesUs(packets: readonly MediaPacket[]): number[] {
  const times: number[] = [];
  for (const { units, ptsUs } of packets) {
    const at = units[0]?.findIndex((sample) => (sample & 0x7f) < 0x60) ?? -1;
    const tickUs = ptsUs + at * 125;
    if (at >= 0 && tickUs - (times.at(-1) ?? Number.NEGATIVE_INFINITY) > 500_000) times.push(tickUs);
  }
  return times;
}

// Makes assets/demo.mp4 with ffmpeg: a moving picture with clock, frame number and sweep hand; each second a beep with
// a flash. 32 s is a whole number of video frames (960), key-frame intervals (16) and AAC frames (1500) alike, and all
// that moves comes round in that time, so the clip repeats without a seam.
// Usage: node scripts/make-demo-clip.mjs [output.mp4]
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ROOT, run } from './steps.mjs';

const SECONDS = 32;
const FPS = 30;
const VIDEO_BITRATE = '480k';
const AUDIO_BITRATE = '80k';
const FONT = 'DejaVu Sans';
const output = process.argv[2] ?? join(ROOT, 'assets/demo.mp4');

/** A picture with alpha that does not move, from one expression for its alpha. */
function shape(size, color, alpha) {
  return `color=c=${color}:s=${size}x${size}:r=${FPS}:d=0.04,format=rgba,geq=r='r(X,Y)':g='g(X,Y)':b='b(X,Y)':a='${alpha}',loop=loop=-1:size=1`;
}

const TURN = 2 * Math.PI;
const centre = 'hypot(X-160,Y-160)';
/** Ring with eight ticks, one for each second of a turn of the hand. */
const dial = `if(between(${centre},150,156),230,if(between(${centre},126,144)*lt(abs(sin(4*atan2(Y-160,X-160))),0.14),255,0))`;
const hand = `if(lte(Y,160)*gte(Y,36)*lte(abs(X-160),4),255,if(lte(${centre},11),255,0))`;
const disc = (radius) => `255*clip(${radius}-hypot(X-${radius},Y-${radius}),0,1)`;
const text = (content, style) => `drawtext=font='${FONT}':text='${content}':fontcolor=white:${style}`;

const video = [
  `gradients=s=1280x720:r=${FPS}:d=${SECONDS}:n=3:c0=0x0b1f3a:c1=0x14506b:c2=0x2a2350:x0=0:y0=0:x1=1280:y1=720:speed=0.00001[back]`,
  `${shape(320, 'white', dial)}[dial]`,
  `${shape(320, '0xffb84d', hand)},rotate=a='${TURN}*t/8':c=none[hand]`,
  `${shape(320, 'white', disc(118))},colorchannelmixer=aa=0.45[flash]`,
  `${shape(90, '0x4dd2c0', disc(45))}[ball]`,
  `${shape(60, '0xff6f7d', disc(30))}[moon]`,
  `[back][ball]overlay=x='595+520*sin(${TURN}*t/8)':y='560+70*cos(${TURN}*t/4)':shortest=1[v1]`,
  `[v1][moon]overlay=x='610+520*sin(${TURN}*t/16)':y='80+50*sin(${TURN}*t/4)'[v2]`,
  "[v2][flash]overlay=x=842:y=232:enable='lt(mod(t,1),0.1)'[v3]",
  '[v3][dial]overlay=x=800:y=190[v4]',
  '[v4][hand]overlay=x=800:y=190[v5]',
  [
    `[v5]${text('Sluice', 'fontsize=132:x=110:y=190')}`,
    text('%{pts\\:hms}', 'fontsize=64:x=98:y=350'),
    text('frame %{frame_num}', 'fontsize=40:x=118:y=436:alpha=0.8'),
    'format=yuv420p[video]',
  ].join(','),
];
/** Two soft notes a second from a scale of five, eight seconds a round, over a low fifth; the beep is on the second. */
const notes =
  'st(0,mod(floor(t*2),8));220*pow(2,(if(lt(ld(0),4),ld(0)*2.5-0.5*mod(ld(0),2),(8-ld(0))*2.5-0.5*mod(ld(0),2)))/12)';
const soft = (pan) =>
  `0.035*(1-0.35*${pan})*(sin(${TURN}*110*t)+0.6*sin(${TURN}*165*t))` +
  `+0.07*exp(-6*mod(t,0.5))*min(1,mod(t,0.5)*60)*sin(${TURN}*round(${notes})*mod(t,0.5))` +
  `+if(lt(mod(t,1),0.1),0.16*sin(${TURN}*880*mod(t,1))*min(1,mod(t,1)*200)*min(1,(0.1-mod(t,1))*200),0)`;
const audio = `aevalsrc=exprs='${soft('sin(PI*t/4)')}|${soft('-sin(PI*t/4)')}':s=48000:d=${SECONDS}[audio]`;

const graph = [...video, audio].join(';');

const scratch = mkdtempSync(join(tmpdir(), 'sluice-clip-'));
try {
  const input = ['-y', '-hide_banner', '-loglevel', 'warning', '-filter_complex', graph];
  const picture = ['-map', '[video]', '-c:v', 'libx264', '-profile:v', 'main', '-level', '3.1', '-preset', 'veryslow'];
  const groups = ['-bf', '0', '-g', '60', '-keyint_min', '60', '-sc_threshold', '0', '-b:v', VIDEO_BITRATE];
  const passes = ['-passlogfile', join(scratch, 'pass'), '-t', String(SECONDS)];
  const sound = ['-map', '[audio]', '-c:a', 'aac', '-b:a', AUDIO_BITRATE];
  const file = ['-map_metadata', '-1', '-fflags', '+bitexact', '-movflags', '+faststart', output];
  const first = [...input, ...picture, ...groups, ...passes, '-pass', '1', '-map', '[audio]', '-f', 'null', '-'];
  const second = [...input, ...picture, ...groups, ...passes, '-pass', '2', ...sound, ...file];
  for (const args of [first, second]) if ((await run('ffmpeg', args)) !== 0) process.exit(1);
  console.log(`${output}: ${(statSync(output).size / 1e6).toFixed(2)} MB`);
} finally {
  rmSync(scratch, { recursive: true, force: true });
}

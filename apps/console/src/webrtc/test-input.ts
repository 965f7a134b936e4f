import type { MediaInput } from './media-input.ts';

const WIDTH = 640;
const HEIGHT = 360;
/** Pictures a second; the ticker has the same. */
const RATE = 30;
const TONE_HZ = 440;
const VOLUME = 0.1;
const BEEP_SECONDS = 0.2;

/** A clock that moves, and a quiet tone that beeps each second: what a second computer shows tells the delay. */
export function openTestInput(): MediaInput {
  const canvas = document.createElement('canvas');
  canvas.width = WIDTH;
  canvas.height = HEIGHT;
  const context = canvas.getContext('2d', { alpha: false });
  // Browsers slow down the timers of a page that is not in front, but not those of its workers.
  const ticker = new Worker(new URL('./ticker.ts', import.meta.url), { type: 'module' });
  ticker.addEventListener('message', () => context && drawClock(context));
  const stream = canvas.captureStream(RATE);
  const beeper = openBeeper();
  for (const track of beeper.stream.getAudioTracks()) stream.addTrack(track);
  return {
    stream,
    close: () => {
      ticker.terminate();
      beeper.close();
      for (const track of stream.getTracks()) track.stop();
    },
  };
}

function openBeeper(): MediaInput {
  const audio = new AudioContext();
  // Refused when it is closed before the browser lets it begin.
  audio.resume().catch(() => undefined);
  // One second with a beep at its beginning, again and again: needs no timer.
  const second = new AudioBuffer({ length: audio.sampleRate, sampleRate: audio.sampleRate });
  const samples = second.getChannelData(0);
  for (let at = 0; at < audio.sampleRate * BEEP_SECONDS; at++)
    samples[at] = VOLUME * Math.sin((2 * Math.PI * TONE_HZ * at) / audio.sampleRate);
  const end = audio.createMediaStreamDestination();
  const source = new AudioBufferSourceNode(audio, { buffer: second, loop: true });
  source.connect(end);
  source.start();
  return { stream: end.stream, close: () => void audio.close().catch(() => undefined) };
}

function drawClock(context: CanvasRenderingContext2D): void {
  const now = new Date();
  const phase = (now.getTime() % 4000) / 4000;
  context.fillStyle = `hsl(${phase * 360} 60% 30%)`;
  context.fillRect(0, 0, WIDTH, HEIGHT);
  context.fillStyle = '#fff';
  context.font = 'bold 64px monospace';
  context.textAlign = 'center';
  context.fillText(now.toISOString().slice(11, 23), WIDTH / 2, HEIGHT / 2);
  context.fillRect(phase * (WIDTH - 40), HEIGHT - 60, 40, 40);
}

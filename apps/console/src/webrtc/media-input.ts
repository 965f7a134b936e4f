/** Where picture and sound come from. */
export type InputKind = 'camera' | 'screen' | 'test';

export interface InputChoice {
  readonly kind: InputKind;
  /** Camera and microphone by the browser's ids; empty for its own choice, undefined for none. */
  readonly cameraId: string | undefined;
  readonly microphoneId: string | undefined;
}

/** What is captured, until `close`. */
export interface MediaInput {
  readonly stream: MediaStream;
  /** Ends the capture, and turns camera and microphone off. */
  close(): void;
}

const TEST_WIDTH = 640;
const TEST_HEIGHT = 360;
const TEST_RATE = 30;
const TEST_TONE_HZ = 440;
const TEST_VOLUME = 0.1;

/**
 * Begins to capture.
 * @throws Error with a message that says what to do
 */
export async function openInput(choice: InputChoice): Promise<MediaInput> {
  if (choice.kind === 'test') return testInput();
  const devices = navigator.mediaDevices as MediaDevices | undefined;
  if (devices === undefined)
    throw new Error('The browser gives pages camera and screen only by https:// or from localhost.');
  try {
    const stream =
      choice.kind === 'screen' ? await captureScreen(devices, choice) : await captureCamera(devices, choice);
    return { stream, close: () => stopTracks(stream) };
  } catch (error) {
    throw new Error(explain(error), { cause: error });
  }
}

/** Cameras and microphones; their names are known only after one of them was allowed. */
export async function listDevices(): Promise<{ cameras: MediaDeviceInfo[]; microphones: MediaDeviceInfo[] }> {
  const devices = (await (navigator.mediaDevices as MediaDevices | undefined)?.enumerateDevices()) ?? [];
  const usable = devices.filter(({ deviceId }) => deviceId !== '');
  return {
    cameras: usable.filter(({ kind }) => kind === 'videoinput'),
    microphones: usable.filter(({ kind }) => kind === 'audioinput'),
  };
}

function captureCamera(devices: MediaDevices, { cameraId, microphoneId }: InputChoice): Promise<MediaStream> {
  return devices.getUserMedia({ video: deviceOf(cameraId), audio: deviceOf(microphoneId) });
}

async function captureScreen(devices: MediaDevices, { microphoneId }: InputChoice): Promise<MediaStream> {
  const screen = await devices.getDisplayMedia({ video: true, audio: microphoneId === undefined });
  if (microphoneId === undefined) return screen;
  try {
    const voice = await devices.getUserMedia({ audio: deviceOf(microphoneId) });
    return new MediaStream([...screen.getVideoTracks(), ...voice.getAudioTracks()]);
  } catch (error) {
    stopTracks(screen);
    throw error;
  }
}

function deviceOf(id: string | undefined): MediaTrackConstraints | boolean {
  if (id === undefined) return false;
  return id === '' ? true : { deviceId: { exact: id } };
}

/** A clock that moves, and a quiet tone that beeps each second: what a second computer shows tells the delay. */
function testInput(): MediaInput {
  const canvas = document.createElement('canvas');
  canvas.width = TEST_WIDTH;
  canvas.height = TEST_HEIGHT;
  const context = canvas.getContext('2d');
  const timer = window.setInterval(() => context && drawClock(context), 1000 / TEST_RATE);
  const audio = new AudioContext();
  void audio.resume();
  const tone = new OscillatorNode(audio, { frequency: TEST_TONE_HZ });
  const volume = new GainNode(audio, { gain: 0 });
  const end = audio.createMediaStreamDestination();
  tone.connect(volume).connect(end);
  tone.start();
  const beeps = window.setInterval(() => {
    volume.gain.setValueAtTime(TEST_VOLUME, audio.currentTime);
    volume.gain.setValueAtTime(0, audio.currentTime + 0.2);
  }, 1000);
  const stream = canvas.captureStream(TEST_RATE);
  for (const track of end.stream.getAudioTracks()) stream.addTrack(track);
  return {
    stream,
    close: () => {
      window.clearInterval(timer);
      window.clearInterval(beeps);
      stopTracks(stream);
      void audio.close();
    },
  };
}

function drawClock(context: CanvasRenderingContext2D): void {
  const now = new Date();
  const phase = (now.getTime() % 4000) / 4000;
  context.fillStyle = `hsl(${phase * 360} 60% 30%)`;
  context.fillRect(0, 0, TEST_WIDTH, TEST_HEIGHT);
  context.fillStyle = '#fff';
  context.font = 'bold 64px monospace';
  context.textAlign = 'center';
  context.fillText(now.toISOString().slice(11, 23), TEST_WIDTH / 2, TEST_HEIGHT / 2);
  context.fillRect(phase * (TEST_WIDTH - 40), TEST_HEIGHT - 60, 40, 40);
}

function stopTracks(stream: MediaStream): void {
  for (const track of stream.getTracks()) track.stop();
}

function explain(error: unknown): string {
  const name = error instanceof DOMException ? error.name : '';
  if (name === 'NotAllowedError')
    return 'The browser did not allow it. Look for the camera sign in its address bar, or choose the test picture.';
  if (name === 'NotFoundError' || name === 'OverconstrainedError')
    return 'There is no such camera or microphone. Choose another one, or none.';
  if (name === 'NotReadableError') return 'Another program uses the camera or the microphone. Close it and try again.';
  return error instanceof Error ? error.message : String(error);
}

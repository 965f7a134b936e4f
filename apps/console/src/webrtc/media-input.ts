import { openTestInput } from './test-input.ts';

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

/** True where the browser can share the screen with a page; phones can not. */
export const canShareScreen = typeof mediaDevices()?.getDisplayMedia === 'function';

/**
 * Begins to capture.
 * @throws Error with a message that says what to do
 */
export async function openInput(choice: InputChoice): Promise<MediaInput> {
  if (choice.kind === 'test') return openTestInput();
  const devices = mediaDevices();
  if (devices === undefined)
    throw new Error('The browser gives pages camera and screen only by https:// or from localhost.');
  if (choice.kind === 'camera' && choice.cameraId === undefined && choice.microphoneId === undefined)
    throw new Error('Choose a camera or a microphone: with neither there is nothing to publish.');
  try {
    const stream =
      choice.kind === 'screen' ? await captureScreen(devices, choice) : await captureCamera(devices, choice);
    return { stream, close: () => stopTracks(stream) };
  } catch (error) {
    throw new Error(explain(error, choice.kind), { cause: error });
  }
}

/** Pages that did not come by a secure way have none, whatever the types say. */
export function mediaDevices(): MediaDevices | undefined {
  return navigator.mediaDevices as MediaDevices | undefined;
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

function stopTracks(stream: MediaStream): void {
  for (const track of stream.getTracks()) track.stop();
}

function explain(error: unknown, kind: InputKind): string {
  const name = error instanceof DOMException ? error.name : '';
  if (name === 'NotAllowedError' && kind === 'screen')
    return 'Sharing the screen was not allowed. Try again, or choose another picture.';
  if (name === 'NotAllowedError')
    return 'The browser did not allow it. Look for the camera sign in its address bar, or choose the test picture.';
  if (name === 'NotFoundError' || name === 'OverconstrainedError')
    return 'There is no such camera or microphone. Choose another one, or none.';
  if (name === 'NotReadableError') return 'Another program uses the camera or the microphone. Close it and try again.';
  return error instanceof Error ? error.message : String(error);
}

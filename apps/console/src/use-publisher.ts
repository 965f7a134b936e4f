import { computed, onMounted, onUnmounted, ref, shallowRef } from 'vue';
import { LevelMeter } from './webrtc/level-meter.ts';
import { type InputKind, listDevices, type MediaInput, openInput } from './webrtc/media-input.ts';
import type { PeerFact } from './webrtc/peer-facts.ts';
import { Publisher, type PublisherPhase } from './webrtc/publisher.ts';

const FACTS_MS = 1000;

export type PublishPhase = 'idle' | 'asking' | PublisherPhase;

/** A device as the choices show it. Empty: the browser's own choice; `none`: without. */
export const NONE = 'none';

/** What the publish page works with: choices, what is captured, and the connection. */
export function usePublisher() {
  const kind = ref<InputKind>('camera');
  const cameraId = ref('');
  const microphoneId = ref('');
  const codec = ref('');
  const maxKbits = ref(0);
  const cameras = shallowRef<readonly MediaDeviceInfo[]>([]);
  const microphones = shallowRef<readonly MediaDeviceInfo[]>([]);
  const phase = ref<PublishPhase>('idle');
  const message = ref('');
  const level = ref(0);
  const facts = shallowRef<readonly PeerFact[]>([]);
  const preview = shallowRef<MediaStream>();
  const running = computed(() => preview.value !== undefined);
  let input: MediaInput | undefined;
  let meter: LevelMeter | undefined;
  let publisher: Publisher | undefined;
  let timer = 0;

  async function refreshDevices(): Promise<void> {
    const found = await listDevices();
    cameras.value = found.cameras;
    microphones.value = found.microphones;
  }

  async function start(url: string): Promise<void> {
    stop();
    phase.value = 'asking';
    message.value = '';
    try {
      input = await openInput({
        kind: kind.value,
        cameraId: idOf(cameraId.value),
        microphoneId: idOf(microphoneId.value),
      });
    } catch (error) {
      phase.value = 'failed';
      message.value = error instanceof Error ? error.message : String(error);
      return;
    }
    void refreshDevices();
    const { stream } = input;
    preview.value = stream;
    if (stream.getAudioTracks().length > 0)
      meter = new LevelMeter(stream, (now) => {
        level.value = now;
      });
    // Who ends sharing the screen by the browser's own button is done.
    stream.getVideoTracks()[0]?.addEventListener('ended', stop);
    publisher = new Publisher({ url, stream, codec: codec.value, maxKbits: maxKbits.value, onPhase });
    timer = window.setInterval(() => void readFacts(), FACTS_MS);
  }

  function stop(): void {
    window.clearInterval(timer);
    publisher?.close();
    meter?.close();
    input?.close();
    publisher = undefined;
    meter = undefined;
    input = undefined;
    preview.value = undefined;
    facts.value = [];
    level.value = 0;
    phase.value = 'idle';
    message.value = '';
  }

  function onPhase(now: PublisherPhase, text: string): void {
    if (now === 'failed') stop();
    phase.value = now;
    message.value = text;
  }

  async function readFacts(): Promise<void> {
    const reading = publisher;
    const read = await reading?.facts();
    if (reading === publisher && read !== undefined) facts.value = read;
  }

  onMounted(refreshDevices);
  onUnmounted(stop);
  const choices = { kind, cameraId, microphoneId, codec, maxKbits, cameras, microphones };
  return { ...choices, phase, message, level, facts, preview, running, start, stop };
}

function idOf(chosen: string): string | undefined {
  return chosen === NONE ? undefined : chosen;
}

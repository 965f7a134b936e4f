import { computed, onMounted, onUnmounted, reactive, shallowRef } from 'vue';
import type { InputKind } from './webrtc/media-input.ts';
import { NOT_PUBLISHING, Publication, type PublicationState } from './webrtc/publication.ts';

/** A device as the choices show it. Empty: the browser's own choice; `none`: without. */
export const NONE = 'none';

/** What the publish page works with: choices, and what is published until the component is unmounted. */
export function usePublisher() {
  const choice = reactive({
    kind: 'camera' as InputKind,
    cameraId: '',
    microphoneId: '',
    codec: '',
    maxKbits: 0,
    severalSizes: false,
  });
  const state = shallowRef<PublicationState>(NOT_PUBLISHING);
  const running = computed(() => state.value.phase !== 'idle' && state.value.phase !== 'failed');
  let publication: Publication | undefined;

  function start(url: string): void {
    publication?.close();
    publication = new Publication({
      url,
      input: { kind: choice.kind, cameraId: idOf(choice.cameraId), microphoneId: idOf(choice.microphoneId) },
      codec: choice.codec,
      maxKbits: choice.maxKbits,
      severalSizes: choice.severalSizes,
      onState: (now) => {
        state.value = now;
      },
    });
  }

  function stop(): void {
    publication?.close();
    publication = undefined;
    state.value = NOT_PUBLISHING;
  }

  // A page that is closed is not unmounted, and must tell the server nevertheless.
  onMounted(() => window.addEventListener('pagehide', stop));
  onUnmounted(() => {
    window.removeEventListener('pagehide', stop);
    stop();
  });
  return { choice, state, running, start, stop };
}

function idOf(chosen: string): string | undefined {
  return chosen === NONE ? undefined : chosen;
}

import { onMounted, onUnmounted, type Ref, shallowRef } from 'vue';
import { mediaDevices } from './webrtc/media-input.ts';

/** Cameras and microphones of this machine; their names are known only after one of them was allowed. */
export interface Devices {
  readonly cameras: Readonly<Ref<readonly MediaDeviceInfo[]>>;
  readonly microphones: Readonly<Ref<readonly MediaDeviceInfo[]>>;
  /** Looks again. Never fails. */
  refresh(): Promise<void>;
}

/** Follows which devices there are for as long as the component is mounted. */
export function useDevices(): Devices {
  const cameras = shallowRef<readonly MediaDeviceInfo[]>([]);
  const microphones = shallowRef<readonly MediaDeviceInfo[]>([]);
  const devices = mediaDevices();

  async function refresh(): Promise<void> {
    // A browser that refuses to tell leaves its own choice.
    const all = (await devices?.enumerateDevices().catch(() => [])) ?? [];
    const usable = all.filter(({ deviceId }) => deviceId !== '');
    cameras.value = usable.filter(({ kind }) => kind === 'videoinput');
    microphones.value = usable.filter(({ kind }) => kind === 'audioinput');
  }

  const onChange = (): void => void refresh();
  onMounted(() => {
    devices?.addEventListener('devicechange', onChange);
    void refresh();
  });
  onUnmounted(() => devices?.removeEventListener('devicechange', onChange));
  return { cameras, microphones, refresh };
}

import { type Ref, ref, watch } from 'vue';

/** How the page's player gets a stream. */
export type PlayProtocol = 'webrtc' | 'hls' | 'flv' | 'ws-flv';

/** One choice of the player, with what a person should know about it. */
export interface ProtocolChoice {
  readonly id: PlayProtocol;
  readonly label: string;
  readonly about: string;
}

/** All choices, in the order they are offered. */
export const PROTOCOLS: readonly ProtocolChoice[] = [
  { id: 'webrtc', label: 'WebRTC', about: 'A fraction of a second behind; needs UDP to the server.' },
  { id: 'hls', label: 'HLS', about: 'Plays on every device; some seconds behind.' },
  { id: 'flv', label: 'HTTP-FLV', about: 'About one second behind; played by mpegts.js.' },
  { id: 'ws-flv', label: 'WebSocket-FLV', about: 'As HTTP-FLV, for networks where only a WebSocket goes through.' },
];

const STORAGE_KEY = 'sluice.play-protocol';

/** What was chosen last in this browser; shared by all players of the page. */
export const chosenProtocol: Ref<PlayProtocol> = ref(remembered());

watch(chosenProtocol, (now) => {
  try {
    localStorage.setItem(STORAGE_KEY, now);
  } catch {
    // A browser that stores nothing for this page; the choice lasts until it is closed.
  }
});

function remembered(): PlayProtocol {
  try {
    const stored = localStorage.getItem(STORAGE_KEY);
    return PROTOCOLS.find((choice) => choice.id === stored)?.id ?? 'hls';
  } catch {
    return 'hls';
  }
}

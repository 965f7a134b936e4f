import { type Ref, ref, watch } from 'vue';
import { type PlayChoice, PROTOCOLS } from './play-protocol.ts';

const STORAGE_KEY = 'sluice.play-protocol';

/** What was chosen last in this browser; shared by all players of the page. */
export const chosenProtocol: Ref<PlayChoice> = ref(remembered());

watch(chosenProtocol, (now) => {
  try {
    localStorage.setItem(STORAGE_KEY, now);
  } catch {
    // A browser that stores nothing for this page; the choice lasts until it is closed.
  }
});

function remembered(): PlayChoice {
  try {
    const stored = localStorage.getItem(STORAGE_KEY);
    return PROTOCOLS.find((choice) => choice.id === stored)?.id ?? 'auto';
  } catch {
    return 'auto';
  }
}

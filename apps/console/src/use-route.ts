import { onMounted, onUnmounted, type Ref, ref } from 'vue';

const STREAM_PREFIX = '#/streams/';

/** Link to a stream's own view; survives a reload and can be passed on. */
export function streamLink(name: string): string {
  return `${STREAM_PREFIX}${encodeURIComponent(name)}`;
}

/** Link to the page that publishes from the browser. */
export const PUBLISH_LINK = '#/publish';

/** True while the page's address asks for the page that publishes. */
export function usePublishRoute(): Readonly<Ref<boolean>> {
  const asked = ref(location.hash === PUBLISH_LINK);
  const onChange = (): void => {
    const before = asked.value;
    asked.value = location.hash === PUBLISH_LINK;
    if (asked.value !== before) window.scrollTo(0, 0);
  };
  onMounted(() => window.addEventListener('hashchange', onChange));
  onUnmounted(() => window.removeEventListener('hashchange', onChange));
  return asked;
}

/** Name of the stream whose view the page's address asks for; undefined for the list of all. */
export function useRoute(): Readonly<Ref<string | undefined>> {
  const name = ref(streamOf(location.hash));
  const onChange = (): void => {
    const before = name.value;
    name.value = streamOf(location.hash);
    // Another view begins at its top, as another page would.
    if (name.value !== before) window.scrollTo(0, 0);
  };
  onMounted(() => window.addEventListener('hashchange', onChange));
  onUnmounted(() => window.removeEventListener('hashchange', onChange));
  return name;
}

function streamOf(hash: string): string | undefined {
  if (!hash.startsWith(STREAM_PREFIX) || hash.length === STREAM_PREFIX.length) return undefined;
  try {
    return decodeURIComponent(hash.slice(STREAM_PREFIX.length));
  } catch {
    return undefined;
  }
}

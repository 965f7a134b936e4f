import { onMounted, onUnmounted, type Ref, shallowRef } from 'vue';

/** Views that need nothing but their name. */
const PLAIN_VIEWS = [
  'wall',
  'publish',
  'recordings',
  'relays',
  'rooms',
  'sessions',
  'connections',
  'server',
  'explain',
  'settings',
  'log',
  'api',
  'applications',
] as const;

type PlainView = (typeof PLAIN_VIEWS)[number];

/** What the page's address asks for. */
export type Route =
  | { readonly view: 'streams' | PlainView; readonly text: string }
  | { readonly view: 'stream'; readonly name: string }
  | { readonly view: 'session'; readonly id: string }
  | { readonly view: 'explain-stream'; readonly name: string }
  | { readonly view: 'explain-session'; readonly id: string };

/** Link to the page that publishes from the browser. */
export const PUBLISH_LINK = '#/publish';

/** Link to a stream's own view; survives a reload and can be passed on. */
export function streamLink(name: string): string {
  return `#/streams/${encodeURIComponent(name)}`;
}

/** Link to the view of one publication or playback. */
export function sessionLink(mediaSessionId: string): string {
  return `#/sessions/${encodeURIComponent(mediaSessionId)}`;
}

/** Link to the list of sessions that have a text in them. */
export function sessionsLink(text: string): string {
  return `#/sessions?text=${encodeURIComponent(text)}`;
}

/** Link to the list of recordings that have a text in them. */
export function recordingsLink(text: string): string {
  return `#/recordings?text=${encodeURIComponent(text)}`;
}

/** Link to what the server finds out about a stream. */
export function explainStreamLink(name: string): string {
  return `#/explain/stream/${encodeURIComponent(name)}`;
}

/** Link to what the server finds out about a session, also one that is over. */
export function explainSessionLink(mediaSessionId: string): string {
  return `#/explain/session/${encodeURIComponent(mediaSessionId)}`;
}

/** What the page's address asks for, as long as the component is mounted. */
export function useRoute(): Readonly<Ref<Route>> {
  const route = shallowRef(readRoute(location.hash));
  const onChange = (): void => {
    const next = readRoute(location.hash);
    if (JSON.stringify(next) === JSON.stringify(route.value)) return;
    route.value = next;
    // Another view begins at its top, as another page would.
    window.scrollTo(0, 0);
  };
  onMounted(() => window.addEventListener('hashchange', onChange));
  onUnmounted(() => window.removeEventListener('hashchange', onChange));
  return route;
}

/** The route that a hash means; the list of streams for all that is none. */
export function readRoute(hash: string): Route {
  const [path = '', query = ''] = hash.split('?', 2);
  const [, view = '', first = '', second = ''] = path.split('/').map(decoded);
  const text = new URLSearchParams(query).get('text') ?? '';
  if (view === 'streams' && first !== '') return { view: 'stream', name: first };
  if (view === 'sessions' && first !== '') return { view: 'session', id: first };
  if (view === 'explain' && first === 'stream' && second !== '') return { view: 'explain-stream', name: second };
  if (view === 'explain' && first === 'session' && second !== '') return { view: 'explain-session', id: second };
  const plain = PLAIN_VIEWS.find((name) => name === view);
  return { view: plain ?? 'streams', text };
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return '';
  }
}

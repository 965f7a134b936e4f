import { PUBLISH_LINK, type Route } from './use-route.ts';

/** One entry of the page's navigation. */
export interface NavigationItem {
  readonly id: string;
  readonly label: string;
  readonly link: string;
}

/** All views that are reached from everywhere, in the order of their use. */
export const NAVIGATION: readonly NavigationItem[] = [
  { id: 'streams', label: 'Streams', link: '#/' },
  { id: 'wall', label: 'Wall', link: '#/wall' },
  { id: 'publish', label: 'Publish', link: PUBLISH_LINK },
  { id: 'recordings', label: 'Recordings', link: '#/recordings' },
  { id: 'relays', label: 'Other servers', link: '#/relays' },
  { id: 'rooms', label: 'Rooms', link: '#/rooms' },
  { id: 'sessions', label: 'Sessions', link: '#/sessions' },
  { id: 'connections', label: 'Connections', link: '#/connections' },
  { id: 'server', label: 'Server', link: '#/server' },
  { id: 'explain', label: 'Explain', link: '#/explain' },
  { id: 'applications', label: 'Applications', link: '#/applications' },
  { id: 'settings', label: 'Settings', link: '#/settings' },
  { id: 'log', label: 'Log', link: '#/log' },
  { id: 'api', label: 'API', link: '#/api' },
];

/** The entry that a route belongs to. */
export function navigationItem({ view }: Route): NavigationItem {
  const id = view === 'stream' ? 'streams' : view === 'session' ? 'sessions' : (view.split('-', 1)[0] ?? '');
  return NAVIGATION.find((item) => item.id === id) ?? (NAVIGATION[0] as NavigationItem);
}

/** What the browser shows as the page's title. */
export function pageTitle(route: Route): string {
  if (route.view === 'streams') return 'Sluice';
  const named = 'name' in route ? `${route.name} – ` : '';
  const label = route.view === 'stream' ? '' : `${navigationItem(route).label} – `;
  return `${named}${label}Sluice`;
}

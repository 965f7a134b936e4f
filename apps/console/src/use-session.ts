import type { SessionBody } from '@sluice/contract';
import { onMounted, type Ref, ref } from 'vue';
import { ask, loggedOut } from './server-api.ts';

/** Who is logged in at this page. */
export interface Session {
  /** Empty when nobody is. */
  readonly user: Readonly<Ref<string>>;
  /** Asks the server anew. Never fails. */
  reload(): Promise<void>;
  logOut(): Promise<void>;
}

/** Asks once who is logged in, and leads to the login page where somebody must be. */
export function useSession(): Session {
  const user = ref('');

  async function reload(): Promise<void> {
    try {
      const state = await ask<SessionBody>('api/session');
      user.value = state.user ?? '';
      if (state.needed && state.user === null) loggedOut();
    } catch {
      // The next request tells whether one may ask.
    }
  }

  async function logOut(): Promise<void> {
    // A server that can't be reached forgets the session by itself.
    await ask('api/logout', { body: {} }).catch(() => {});
    user.value = '';
    loggedOut();
  }

  onMounted(reload);
  return { user, reload, logOut };
}

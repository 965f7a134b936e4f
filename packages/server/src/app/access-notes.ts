import type { Users } from '../control/index.ts';
import type { Log } from '../core/index.ts';
import type { Settings } from './settings/index.ts';

const OPEN =
  'disable_rest_auth=true: everybody who reaches the web port can use the REST API, and end all streams, without a password';

/**
 * Makes the first user where there is none yet, and says what who starts the server must know about passwords: the one
 * that was made up, which only stands here, and that none is asked for.
 * @throws MediaServerError CONFIG_INVALID when the user can't be made
 */
export async function accessNotes(
  settings: Settings,
  { users, log }: { readonly users: Users; readonly log: Log },
): Promise<readonly string[]> {
  const notes: string[] = [];
  const password = await users.makeFirst(settings.admin_password);
  if (password !== undefined)
    notes.push(
      `Log in as "admin" with the password ${password}`,
      'It is shown only now. "npx sluice users passwd admin" makes another one.',
    );
  if (settings.disable_rest_auth === 'true') {
    notes.push(`WARNING: ${OPEN}.`);
    log.warn({}, OPEN);
  }
  return notes;
}

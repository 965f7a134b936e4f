import { MediaServerError } from '../core/index.ts';

/** What an error of listening means to the operator; `setting` names the port. Other errors are given back. */
export function listenError(error: unknown, address: string, setting: 'http.port' | 'https.port'): unknown {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  if (code === 'EADDRINUSE') {
    const todo = `stop the program that uses it, or set ${setting} to a free port`;
    return new MediaServerError('PORT_IN_USE', `${address} is already in use: ${todo}`, { cause: error });
  }
  if (code === 'EACCES' || code === 'EADDRNOTAVAIL') {
    const todo = `set ${setting} to a port above 1023 and the address to one of this machine`;
    return new MediaServerError('CONFIG_INVALID', `can't listen on ${address} (${code}): ${todo}`, { cause: error });
  }
  return error;
}

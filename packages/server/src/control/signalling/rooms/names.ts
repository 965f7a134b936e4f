const MAX_NAME_LENGTH = 128;

/**
 * What is wrong with the name of a room or a member, in words for its client; undefined when it can be used. The Web SDK
 * keeps both as keys of plain objects, which names such as `__proto__` and `hasOwnProperty` break for all others in a room.
 */
export function nameFault(what: string, name: string | undefined): string | undefined {
  if (name === undefined || name === '') return `${what} is missing`;
  if (name.length > MAX_NAME_LENGTH) return `${what} is longer than ${MAX_NAME_LENGTH} characters`;
  if (/\p{Cc}/u.test(name)) return `${what} has control characters`;
  return breaksClients(name) ? `${what} is not allowed` : undefined;
}

/** True for keys that plain objects have already. */
export function breaksClients(name: string): boolean {
  return name in {};
}

/** The login of a member, of the `custom` object of its connection; numbers are taken by their digits. */
export function loginOf({ login }: Readonly<Record<string, unknown>>): string | undefined {
  if (typeof login === 'number') return String(login);
  return typeof login === 'string' ? login : undefined;
}

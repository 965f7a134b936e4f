import { createHmac } from 'node:crypto';

/** A name and a password that are good for a while. */
export interface IssuedCredential {
  readonly username: string;
  readonly credential: string;
  readonly ttlS: number;
}

/** Who may use the TURN server, and with which password: one lasting user, and whoever has a time-limited name. */
export class TurnCredentials {
  readonly #user: { readonly name: string; readonly password: string } | undefined;
  readonly #secret: string;
  readonly #lifetimeS: number;

  /** An empty secret makes no time-limited names good: everybody could make them. */
  constructor(options: {
    readonly user: { readonly name: string; readonly password: string } | undefined;
    readonly secret: string;
    readonly credentialLifetimeS: number;
  }) {
    this.#user = options.user;
    this.#secret = options.secret;
    this.#lifetimeS = options.credentialLifetimeS;
  }

  /**
   * The password of a name; undefined for a name that is unknown or whose time is over.
   * @param unixMs milliseconds since 1970
   */
  passwordOf(username: string, unixMs: number): string | undefined {
    if (this.#user !== undefined && username === this.#user.name) return this.#user.password;
    const endS = /^(\d{1,15})(?::|$)/.exec(username)?.[1];
    if (endS === undefined || this.#secret === '' || Number(endS) * 1000 <= unixMs) return undefined;
    return this.#passwordFor(username);
  }

  /** Makes a name that is good from now on, as back ends do for coturn's "TURN REST API". */
  issue(unixMs: number): IssuedCredential {
    const username = `${Math.floor(unixMs / 1000) + this.#lifetimeS}:sluice`;
    return { username, credential: this.#passwordFor(username), ttlS: this.#lifetimeS };
  }

  #passwordFor(username: string): string {
    return createHmac('sha1', this.#secret).update(username).digest('base64');
  }
}

import type {
  AccessControl,
  ClientAccess,
  ClientIntroduction,
  MediaSession,
  RecordingEvent,
  StreamAccess,
  StreamRequestFacts,
} from '../../../core/index.ts';
import { infoOfError } from '../../../core/index.ts';

/** How a session ended, in the words that back ends know. */
export interface Ending {
  readonly status: 'UNPUBLISHED' | 'STOPPED' | 'FAILED';
  readonly info: string;
  /** The client itself has asked for it. */
  readonly wished?: boolean;
  /** Why its connection is over. */
  readonly reason: string;
}

/**
 * One client before the access control: its connection and its one stream, which begin and end together. Whatever
 * happens, and whenever, each of them is told its end once and in this order: stream, connection.
 */
export class Admission {
  #client: ClientAccess | undefined;
  #stream: StreamAccess | undefined;
  #asking = false;
  #ending: Ending | undefined;

  /**
   * Asks for the connection, then for the stream. Undefined when it was ended before the answers came.
   * @throws MediaServerError APPLICATION_UNKNOWN, TOKEN_REQUIRED, ACCESS_DENIED or TOO_MANY_ATTEMPTS
   */
  async ask(
    access: AccessControl,
    client: ClientIntroduction,
    { way, facts }: { readonly way: 'publish' | 'play'; readonly facts: StreamRequestFacts },
  ): Promise<StreamAccess | undefined> {
    this.#asking = true;
    try {
      this.#client = await access.connect(client);
      if (this.#ending !== undefined) return undefined;
      this.#client.established();
      this.#stream = await (way === 'publish' ? this.#client.publish(facts) : this.#client.play(facts));
      return this.#ending === undefined ? this.#stream : undefined;
    } catch (error) {
      const info = infoOfError(error);
      this.#ending ??= { status: 'FAILED', info, reason: info };
      throw error;
    } finally {
      this.#asking = false;
      if (this.#ending !== undefined) this.#tell(this.#ending);
    }
  }

  /** Media flows; `session` describes it. */
  active(session: MediaSession): void {
    if (this.#ending === undefined) this.#stream?.active(session);
  }

  /** What the gateway must know so that the recorder does. */
  recording(access: StreamAccess): { readonly record: boolean; readonly login: string } {
    return { record: access.fields['record'] === true, login: this.#client?.login ?? '' };
  }

  /** Its recording has begun, ended, … */
  recorded(event: RecordingEvent): void {
    this.#stream?.recorded(event);
  }

  /** Idempotent: the first ending is the one that is told. */
  end(ending: Ending): void {
    if (this.#ending !== undefined) return;
    this.#ending = ending;
    if (!this.#asking) this.#tell(ending);
  }

  #tell({ status, info, wished, reason }: Ending): void {
    if (wished === true) this.#stream?.stopping();
    this.#stream?.ended(status, info);
    this.#client?.end(reason);
  }
}

import type { AccessControl, ClientAccess, ClientIntroduction, StreamAccess, StreamRequestFacts } from './access.ts';
import type { MediaSession } from './session-registry.ts';

/** How a viewer ended, as the back end hears it. */
export interface ViewerEnding {
  readonly status: 'STOPPED' | 'FAILED';
  readonly info: string;
}

/** A viewer whose connection carries one stream and nothing else, before the access control: asked once, told once. */
export class ViewerAccess {
  readonly #access: AccessControl;
  #client: ClientAccess | undefined;
  #stream: StreamAccess | undefined;
  /** True while the back end is asked: what it admits for a viewer that is gone by then is ended at once. */
  #asking = false;
  #ending: ViewerEnding | undefined;

  constructor(access: AccessControl) {
    this.#access = access;
  }

  /** The application, once it is known. */
  get appKey(): string | undefined {
    return this.#client?.appKey;
  }

  /** The stream's name in the hub, once the viewer is admitted. */
  get streamName(): string | undefined {
    return this.#stream?.name;
  }

  /**
   * Asks whether it may connect and play.
   * @throws MediaServerError as AccessControl does; `message` is for the viewer
   */
  async ask(client: ClientIntroduction, request: StreamRequestFacts): Promise<void> {
    this.#asking = true;
    try {
      this.#client = await this.#access.connect(client);
      if (this.#ending !== undefined) return;
      this.#client.established();
      this.#stream = await this.#client.play(request);
    } finally {
      this.#asking = false;
      if (this.#ending !== undefined) this.#tell(this.#ending);
    }
  }

  /** It plays by now. */
  active(session: MediaSession): void {
    this.#stream?.active(session);
  }

  /** It is over. Idempotent. */
  end(ending: ViewerEnding): void {
    if (this.#ending !== undefined) return;
    this.#ending = ending;
    if (!this.#asking) this.#tell(ending);
  }

  #tell({ status, info }: ViewerEnding): void {
    this.#stream?.ended(status, info);
    this.#client?.end(info);
  }
}

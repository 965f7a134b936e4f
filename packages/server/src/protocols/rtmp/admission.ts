import {
  type AccessControl,
  type ClientAccess,
  type ClientIntroduction,
  MediaServerError,
  type StreamAccess,
  type StreamRequestFacts,
} from '../../core/index.ts';

/** What becomes of a question; one of both is called, unless the peer is gone by then. */
export interface Answer<T> {
  yes(admitted: T): void;
  /** `reason` is for the peer. */
  no(reason: string): void;
}

/** The connection that asks. */
export interface Asker {
  /** A question is open: nothing that the peer sends may be handled before `goOn`. */
  hold(): void;
  goOn(): void;
  /** Something other than a refusal went wrong. */
  failed(error: unknown): void;
}

/**
 * What one connection asks the AccessControl: one question at a time. What was admitted for a peer that is gone by
 * then is ended at once, and the end of the connection is told after all else.
 */
export class Admission {
  readonly #access: AccessControl;
  readonly #asker: Asker;
  #client: ClientAccess | undefined;
  #asking = false;
  /** Why the peer is gone; undefined while it is there. */
  #gone: string | undefined;

  constructor(access: AccessControl, asker: Asker) {
    this.#access = access;
    this.#asker = asker;
  }

  /** Undefined until the client was let in. */
  get client(): ClientAccess | undefined {
    return this.#client;
  }

  /** True while a question is open. */
  get asking(): boolean {
    return this.#asking;
  }

  /** Asks whether the client may connect. */
  connect(introduction: ClientIntroduction, answer: Answer<ClientAccess>): void {
    this.#ask(async () => this.#access.connect(introduction), {
      yes: (client) => {
        this.#client = client;
        if (this.#gone === undefined) answer.yes(client);
      },
      no: answer.no,
    });
  }

  /** Asks whether the client may publish or play. */
  admit(
    {
      kind,
      client,
      facts,
    }: { readonly kind: 'publish' | 'play'; readonly client: ClientAccess; readonly facts: StreamRequestFacts },
    answer: Answer<StreamAccess>,
  ): void {
    this.#ask(async () => client[kind](facts), {
      yes: (stream) => {
        if (this.#gone === undefined) answer.yes(stream);
        else stream.ended('FAILED', this.#gone);
      },
      no: answer.no,
    });
  }

  /** The peer is gone. Idempotent. */
  end(info: string): void {
    this.#gone ??= info;
    if (!this.#asking) this.#client?.end(this.#gone);
  }

  #ask<T>(question: () => Promise<T>, answer: Answer<T>): void {
    this.#asking = true;
    this.#asker.hold();
    void question()
      .then(answer.yes, (error: unknown) => {
        if (this.#gone !== undefined) return;
        if (!(error instanceof MediaServerError)) throw error;
        answer.no(error.message);
      })
      .catch((error: unknown) => this.#asker.failed(error))
      .then(() => {
        this.#asking = false;
        if (this.#gone === undefined) this.#asker.goOn();
        else this.end(this.#gone);
      });
  }
}

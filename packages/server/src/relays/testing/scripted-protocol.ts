import type {
  PullAttempt,
  PushAttempt,
  RelayDirection,
  RelayEnd,
  RelayEndCode,
  RelayLink,
  RelayLinkFacts,
  RelayProtocol,
} from '../../core/index.ts';

/** A connection that does what a test says. */
export class ScriptedLink implements RelayLink {
  readonly attempt: PullAttempt | PushAttempt;
  readonly ended: Promise<RelayEnd>;
  requestKeyFrame?: () => void;
  keyFramesAsked = 0;
  /** Why it was told to close. */
  closed: string | undefined;
  over = false;
  numbers: Partial<RelayLinkFacts> = {};
  readonly #protocol: ScriptedProtocol;
  #resolve: (end: RelayEnd) => void = () => {};

  constructor(protocol: ScriptedProtocol, attempt: PullAttempt | PushAttempt) {
    this.#protocol = protocol;
    this.attempt = attempt;
    if (protocol.asksForKeyFrames) {
      this.requestKeyFrame = () => {
        this.keyFramesAsked++;
      };
    }
    this.ended = new Promise((resolve) => {
      this.#resolve = resolve;
    });
  }

  facts(): RelayLinkFacts {
    const zero = { bytesIn: 0, bytesOut: 0, packets: 0, queuedBytes: 0, drops: {} };
    return { remoteAddress: '192.0.2.1', transport: 'TCP', ...zero, ...this.numbers };
  }

  /** The other side agrees, and media flows. */
  run(): void {
    this.attempt.events.onConnected();
    this.attempt.events.onMedia();
  }

  end(code: RelayEndCode, message = `it is ${code}`): void {
    if (this.over) return;
    this.over = true;
    this.#protocol.open.delete(this);
    this.#resolve({ code, message });
  }

  close(reason: string): void {
    this.closed ??= reason;
    if (!this.#protocol.closesSlowly) this.end('closed', reason);
  }
}

/** A protocol without a network: each attempt is a link that a test, or `script`, moves. */
export class ScriptedProtocol implements RelayProtocol {
  readonly protocol: RelayProtocol['protocol'];
  readonly mediaProvider = 'Scripted';
  readonly schemes: readonly string[];
  readonly links: ScriptedLink[] = [];
  readonly open = new Set<ScriptedLink>();
  asksForKeyFrames = false;
  /** Links that are told to close stay until a test ends them. */
  closesSlowly = false;
  /** What each link does by itself, once its attempt has begun. */
  script: (link: ScriptedLink) => void = () => {};
  readonly pull?: (attempt: PullAttempt) => RelayLink;
  readonly push?: (attempt: PushAttempt) => RelayLink;

  constructor(protocol: RelayProtocol['protocol'], schemes: readonly string[], directions: readonly RelayDirection[]) {
    this.protocol = protocol;
    this.schemes = schemes;
    if (directions.includes('pull')) this.pull = (attempt) => this.#open(attempt);
    if (directions.includes('push')) this.push = (attempt) => this.#open(attempt);
  }

  /** The newest one. */
  get last(): ScriptedLink {
    const link = this.links.at(-1);
    if (link === undefined) throw new Error('there was no attempt');
    return link;
  }

  #open(attempt: PullAttempt | PushAttempt): ScriptedLink {
    const link = new ScriptedLink(this, attempt);
    this.links.push(link);
    this.open.add(link);
    queueMicrotask(() => {
      if (!link.over) this.script(link);
    });
    return link;
  }
}

import type { RecordingEvent } from './recording.ts';
import type { MediaSession, SessionProtocol } from './session-registry.ts';

/** Values by field name, as they travel in JSON. */
export type Fields = Readonly<Record<string, unknown>>;

/**
 * Who may do what, and who hears of it: the one place that all protocols ask before a client connects, publishes or
 * plays, and that they tell what became of it. Behind it stand the application's back end (REST hooks), stream tokens
 * and lists of addresses. Asking is awaited and may deny or rewrite; telling never waits.
 */
export interface AccessControl {
  /**
   * Lets a client in. The client holds what comes back until it is gone, and calls its `end` then.
   * @throws MediaServerError APPLICATION_UNKNOWN, ACCESS_DENIED or TOO_MANY_ATTEMPTS; `message` is for the client
   */
  connect(client: ClientIntroduction): Promise<ClientAccess>;
  /**
   * Asks for a viewer that has no connection, before each playlist, segment or file: answers come from a cache. Undefined
   * when the answer is known to be yes at once, so that most requests cost no promise.
   * @throws MediaServerError TOKEN_REQUIRED, ACCESS_DENIED or TOO_MANY_ATTEMPTS, by the promise only
   */
  view(viewer: ViewerIntroduction): Promise<void> | undefined;
  /** Tells an application of what has become of a relay, which no client of it owns (`RelayStatusEvent`). */
  relayed(appKey: string, fields: Fields): void;
}

/** What a client says of itself when it connects; for a protocol without connections, when it asks for its stream. */
export interface ClientIntroduction {
  /** `/<client ip>:<port>/<server ip>:<port>`; another one for each connection. */
  readonly sessionId: string;
  /** Names the application, and so the back end; the protocol supplies WCS's default where the client names none. */
  readonly appKey: string;
  readonly protocol: SessionProtocol;
  readonly remoteAddress: string;
  /** The client's own words to its back end: `custom` of the Web SDK, parameters of an address, a token. */
  readonly custom: Fields;
  /** Further fields of the `connect` hook, by their names there (rest-hooks.md §6.1), as far as the protocol has them. */
  readonly fields: Fields;
  /** Ends the connection and all that it carries, when the back end wants it gone. Idempotent. */
  close(reason: string): void;
}

/** A client that was let in. */
export interface ClientAccess {
  readonly appKey: string;
  /** Names the client in files of recordings: its login, or random characters. */
  readonly login: string;
  /** Fields of `connect` as the back end left them, `custom` included. */
  readonly fields: Fields;
  /** Tells that the connection is established, with fields that are known only now (`authToken`). */
  established(fields?: Fields): void;
  /**
   * Asks whether it may publish or play.
   * @throws MediaServerError TOKEN_REQUIRED, ACCESS_DENIED or TOO_MANY_ATTEMPTS; `message` is for the client
   */
  publish(request: StreamRequestFacts): Promise<StreamAccess>;
  play(request: StreamRequestFacts): Promise<StreamAccess>;
  /**
   * Asks for anything else that the back end may forbid or rewrite (`OnDataEvent`, `snapshot`, `submitBugReport`, …);
   * gives the fields as the back end left them.
   * @throws MediaServerError ACCESS_DENIED; `message` is for the client
   */
  ask(hook: DirectHook, fields: Fields): Promise<Fields>;
  /** Tells of something that has happened. */
  tell(hook: EventHook, fields: Fields): void;
  /** `body` without the fields that the back end has kept from the client for that hook. */
  forClient(hook: ClientHook, body: Fields): Fields;
  /** The client is gone. What it published and played has been told before. Idempotent. */
  end(reason: string): void;
}

/** What a client wants to publish or play. */
export interface StreamRequestFacts {
  readonly mediaSessionId: string;
  readonly name: string;
  /** WCS's name of the provider: `WebRTC`, `Flash`, … */
  readonly mediaProvider: string;
  readonly hasVideo: boolean;
  readonly hasAudio: boolean;
  readonly custom: Fields;
  /** Further fields of the hook, by their names there (rest-hooks.md §6.2): `sdp`, `record`, `width`, … */
  readonly fields?: Fields | undefined;
}

/** A publication or playback that was admitted. */
export interface StreamAccess {
  /** The stream's name in the hub: the one that was asked for, or the back end's own. */
  readonly name: string;
  /** All fields of the request as the back end left them. */
  readonly fields: Fields;
  /** It is publishing or playing by now; `session` describes it from here on. Once. */
  active(session: MediaSession): void;
  /** The client itself asks to end it: told before `ended`. */
  stopping(): void;
  /**
   * It is over, or never came to be. Idempotent.
   * @param info Why, in the words that the client gets; for `FAILED` always.
   */
  ended(status: 'UNPUBLISHED' | 'STOPPED' | 'FAILED', info?: string): void;
  /** Tells of its recording; also after its end, as a file takes a while to be complete. */
  recorded(event: RecordingEvent): void;
}

/** What a viewer without a connection shows with each request. */
export interface ViewerIntroduction {
  readonly sessionId: string;
  /** The viewer's session in the registry; of a viewer without one the id that its session gets when it is let in. */
  readonly mediaSessionId: string;
  readonly appKey: string;
  /** `record`: wants a file of a recording of that stream. `snapshot`: wants a picture of it. Back ends are asked as for HLS. */
  readonly protocol: SessionProtocol | 'record' | 'snapshot';
  readonly mediaProvider: string;
  readonly remoteAddress: string;
  readonly streamName: string;
  /** Parameters of the address. */
  readonly custom: Readonly<Record<string, string>>;
  /** Further fields of the hook, by their names there (`name`, `userAgent` of `playRTSP`). */
  readonly fields?: Fields | undefined;
}

/** Hooks that a back end may answer with a refusal (rest-hooks.md §3, kinds 2 and 4), but for those of streams. */
export type DirectHook =
  | 'OnDataEvent'
  | 'snapshot'
  | 'pauseStream'
  | 'sendBugReport'
  | 'submitBugReport'
  | 'pushLogs'
  | 'sessionDebug';

/** Hooks that only tell (kind 3), but for those of connections and streams, which follow by themselves. */
export type EventHook = 'StreamEvent' | 'DataStatusEvent' | 'BugReportStatusEvent' | 'SessionDebugStatusEvent';

/** Hooks whose fields reach the client too, so that the back end can keep some from it (`clientExclude`). */
export type ClientHook =
  | DirectHook
  | EventHook
  | 'connect'
  | 'ConnectionStatusEvent'
  | 'publishStream'
  | 'playStream'
  | 'StreamStatusEvent';

/** Lets everybody do everything and tells nobody: for parts that are tried alone. */
export const OPEN_ACCESS: AccessControl = {
  connect: async (client) => openClient(client),
  view: () => undefined,
  relayed: () => {},
};

function openClient({ appKey, custom, fields }: ClientIntroduction): ClientAccess {
  const admit = async (request: StreamRequestFacts): Promise<StreamAccess> => openStream(request);
  const { login } = fields;
  return {
    appKey,
    login: typeof login === 'string' ? login : 'guest',
    fields: { ...fields, custom },
    established: () => {},
    publish: admit,
    play: admit,
    ask: async (_hook, asked) => asked,
    tell: () => {},
    forClient: (_hook, body) => body,
    end: () => {},
  };
}

function openStream({ name, custom, fields }: StreamRequestFacts): StreamAccess {
  return {
    name,
    fields: { ...fields, name, custom },
    active: () => {},
    stopping: () => {},
    ended: () => {},
    recorded: () => {},
  };
}

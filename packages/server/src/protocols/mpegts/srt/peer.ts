import { randomBytes, randomUUID } from 'node:crypto';
import {
  type ClientAccess,
  type ClientConnection,
  type ClientIntroduction,
  type ConnectionDescription,
  infoOfError,
  type SessionDescription,
  type StreamAccess,
  type StreamRequestFacts,
} from '../../../core/index.ts';
import type { SrtCaller } from './gate.ts';
import type { SrtContext } from './server.ts';
import type { SrtRequest } from './wire/stream-id.ts';

const MEDIA_PROVIDER = 'SRT';
/** Parameters that are secrets, or said elsewhere. */
const HIDDEN = ['token', 'appKey'];

/** How a publication or playback is over, as the back end hears it. */
export interface Ending {
  readonly status: 'UNPUBLISHED' | 'STOPPED' | 'FAILED';
  readonly info: string;
}

/** One caller of the common port: who it is, and what the access control says about it. */
export class SrtPeer implements ClientConnection {
  readonly mediaSessionId = randomUUID();
  readonly sessionId: string;
  readonly remoteAddress: string;
  readonly request: SrtRequest;
  readonly createdAt = Date.now();
  /** Ends all of it; whoever carries it out sets this. */
  onClose: (reason: string) => void = () => undefined;
  bytesIn = 0;
  bytesOut = 0;
  readonly #context: SrtContext;
  readonly #login = randomBytes(15).toString('base64url');
  #client: ClientAccess | undefined;
  #access: StreamAccess | undefined;
  #registration: Disposable | undefined;
  #ended = false;

  constructor(caller: SrtCaller, request: SrtRequest, context: SrtContext) {
    const { remoteAddress, remotePort, localPort } = caller;
    this.remoteAddress = remoteAddress;
    this.sessionId = `/${remoteAddress}:${remotePort}/${context.options.address}:${localPort}`;
    this.request = request;
    this.#context = context;
  }

  /** Name in the hub. */
  get streamName(): string {
    return this.#access?.name ?? this.request.streamName;
  }

  get appKey(): string {
    return this.#client?.appKey ?? (this.request.parameters['appKey'] || this.#context.options.appKey);
  }

  /** Of a peer that was admitted. */
  get access(): StreamAccess | undefined {
    return this.#access;
  }

  get login(): string {
    return this.#client?.login ?? this.#login;
  }

  /**
   * Asks whether it may.
   * @throws MediaServerError when it may not
   */
  async admit(): Promise<void> {
    this.#client = await this.#context.deps.access.connect(this.#introduction());
    this.#client.established();
    const { mode } = this.request;
    this.#access = await this.#client[mode](this.#facts());
  }

  /** It is connected: it shows among the connections. */
  register(): void {
    this.#registration = this.#context.deps.connections.add(this);
  }

  /** What does not depend on the direction. */
  describeSession(): Pick<
    SessionDescription,
    | 'sessionId'
    | 'mediaSessionId'
    | 'appKey'
    | 'protocol'
    | 'mediaProvider'
    | 'streamName'
    | 'createDate'
    | 'transport'
    | 'remoteAddress'
    | 'custom'
  > {
    return {
      sessionId: this.sessionId,
      mediaSessionId: this.mediaSessionId,
      appKey: this.appKey,
      protocol: 'srt',
      mediaProvider: MEDIA_PROVIDER,
      streamName: this.streamName,
      createDate: this.createdAt,
      transport: 'UDP',
      remoteAddress: this.remoteAddress,
      custom: this.#shown(),
    };
  }

  describe(): ConnectionDescription {
    return {
      sessionId: this.sessionId,
      appKey: this.appKey,
      protocol: 'srt',
      mediaProvider: MEDIA_PROVIDER,
      status: 'ESTABLISHED',
      login: this.#login,
      clientVersion: '',
      remoteAddress: this.remoteAddress,
      createDate: this.createdAt,
      keepAlive: true,
      bytesIn: this.bytesIn,
      bytesOut: this.bytesOut,
      custom: this.#shown(),
    };
  }

  close(reason: string): void {
    this.onClose(reason);
  }

  /** Tells the back end that it could not begin. */
  refused(error: unknown): void {
    this.end({ status: 'FAILED', info: infoOfError(error) });
  }

  /** Tells the back end that it is over. Idempotent. */
  end({ status, info }: Ending): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#registration?.[Symbol.dispose]();
    this.#access?.ended(status, info);
    this.#client?.end(info);
  }

  #introduction(): ClientIntroduction {
    const { sessionId, remoteAddress, appKey } = this;
    return {
      ...{ sessionId, remoteAddress, appKey, protocol: 'srt' },
      custom: this.#custom(),
      fields: { login: this.#login, keepAlive: false },
      close: (reason) => this.close(reason),
    };
  }

  #facts(): StreamRequestFacts {
    const { mediaSessionId } = this;
    return {
      mediaSessionId,
      name: this.request.streamName,
      mediaProvider: MEDIA_PROVIDER,
      hasVideo: true,
      hasAudio: true,
      custom: this.#custom(),
      fields: { record: false, width: 0, height: 0, bitrate: 0, minBitrate: 0, maxBitrate: 0, quality: 0 },
    };
  }

  #custom(): Readonly<Record<string, string>> {
    const { appKey: _, ...custom } = this.request.parameters;
    return custom;
  }

  #shown(): Readonly<Record<string, string>> {
    return Object.fromEntries(Object.entries(this.request.parameters).filter(([name]) => !HIDDEN.includes(name)));
  }
}

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { NewApplication } from '@sluice/contract';
import {
  type ClientAccess,
  type ClientIntroduction,
  type CounterName,
  type Log,
  type MediaSession,
  RecentEndings,
  type Recorder,
  type SessionDescription,
  StreamRegistry,
  type StreamRequestFacts,
} from '../../../core/index.ts';
import { ApplicationStore } from '../applications/application-store.ts';
import { HookAccess } from '../hook-access.ts';
import type { AccessGate } from '../hook-context.ts';
import { hookDescription } from '../hook-description.ts';
import { DEFAULT_HOOK_OPTIONS, type HookOptions } from '../hook-options.ts';
import { StrictBackEnd } from './strict-back-end.ts';

/** The node's name in all hooks of a rig. */
export const NODE_ID = `${'n'.repeat(32)}@192.0.2.1`;
export const SESSION_ID = '/192.0.2.7:50000/192.0.2.1:1935';

/** Access control with one application, `app`, whose back end is in the test's hands. */
export class AccessRig {
  readonly backEnd: StrictBackEnd;
  readonly folder: string;
  readonly applications: ApplicationStore;
  readonly access: HookAccess;
  readonly endings = new RecentEndings();
  readonly streams = new StreamRegistry({ reconnectWaitMs: 0, maxStreams: 100 });
  readonly counts = new Map<CounterName, number>();
  /** Lines of the log, fields and all, as JSON. */
  readonly lines: string[] = [];
  /** What the recorder knows of publications that end. */
  settled: Recorder['settled'] = () => undefined;
  /** Why media sessions were closed. */
  readonly closed: string[] = [];

  static async start(options: Partial<HookOptions> = {}, gate?: AccessGate): Promise<AccessRig> {
    const rig = new AccessRig(await StrictBackEnd.start(), options, gate);
    await rig.addApplication('app');
    return rig;
  }

  private constructor(backEnd: StrictBackEnd, options: Partial<HookOptions>, gate: AccessGate | undefined) {
    this.backEnd = backEnd;
    this.folder = mkdtempSync(join(tmpdir(), 'hooks-'));
    const log = this.#log();
    this.applications = new ApplicationStore({ file: join(this.folder, 'applications.json'), log, pollIntervalMs: 20 });
    this.access = new HookAccess({
      applications: this.applications,
      gate,
      endings: this.endings,
      streams: this.streams,
      describe: hookDescription(() => ({ video: { width: 1280, height: 720 } })),
      nodeId: NODE_ID,
      recorder: () => ({ settled: (mediaSessionId) => this.settled(mediaSessionId) }),
      options: { ...DEFAULT_HOOK_OPTIONS, firstRetryPauseMs: 10, maxRetryPauseMs: 20, drainMs: 200, ...options },
      log,
      counters: { count: (name, by = 1) => void this.counts.set(name, this.count(name) + by) },
    });
  }

  async addApplication(appKey: string, fields: Partial<NewApplication> = {}): Promise<void> {
    await this.applications.add({ name: `application ${appKey}`, appKey, url: this.backEnd.url, ...fields });
  }

  count(name: CounterName): number {
    return this.counts.get(name) ?? 0;
  }

  connect(client: Partial<ClientIntroduction> = {}): Promise<ClientAccess> {
    return this.access.connect({
      sessionId: SESSION_ID,
      appKey: 'app',
      protocol: 'rtmp',
      remoteAddress: '192.0.2.7:50000',
      custom: { token: 'abc' },
      fields: { clientVersion: 'FMLE/3.0' },
      close: (reason) => this.closed.push(reason),
      ...client,
    });
  }

  /** A client whose back end answers `connect` with these policies. */
  async connectWith(restClientConfig: unknown, client: Partial<ClientIntroduction> = {}): Promise<ClientAccess> {
    const { answer } = this.backEnd;
    this.backEnd.answer = (hook, body) =>
      hook === 'connect' ? { body: { ...body, restClientConfig } } : answer(hook, body);
    try {
      return await this.connect(client);
    } finally {
      this.backEnd.answer = answer;
    }
  }

  /** A publication or playback as its protocol has it. */
  mediaSession(fields: Partial<SessionDescription> = {}): MediaSession {
    const description: SessionDescription = {
      sessionId: SESSION_ID,
      mediaSessionId: 'm1',
      appKey: 'app',
      protocol: 'rtmp',
      mediaProvider: 'Flash',
      mediaType: 'publish',
      streamName: 'cam',
      status: 'PUBLISHING',
      createDate: 1_700_000_000_000,
      transport: 'TCP',
      remoteAddress: '192.0.2.7:50000',
      bytesIn: 0,
      bytesOut: 0,
      packets: 0,
      queuedBytes: 0,
      drops: {},
      custom: {},
      ...fields,
    };
    return {
      mediaSessionId: description.mediaSessionId,
      describe: () => description,
      close: (reason) => void this.closed.push(reason),
    };
  }

  async close(): Promise<void> {
    await this.access.close();
    this.applications.close();
    this.streams.close();
    await this.backEnd.close();
    rmSync(this.folder, { recursive: true });
  }

  #log(): Log {
    const write = (fields: object, message: string): void =>
      void this.lines.push(`${message} ${JSON.stringify(fields)}`);
    const log: Log = { child: () => log, debug: write, info: write, warn: write, error: write };
    return log;
  }
}

/** What a client wants to publish or play. */
export function request(fields: Partial<StreamRequestFacts> = {}): StreamRequestFacts {
  return {
    mediaSessionId: 'm1',
    name: 'cam',
    mediaProvider: 'Flash',
    hasVideo: true,
    hasAudio: true,
    custom: { streamParam1: 'val1' },
    ...fields,
  };
}

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type ClientConnection,
  type ConnectionDescription,
  ConnectionRegistry,
  type Log,
  type MediaSession,
  type SessionDescription,
  SessionRegistry,
  type Stream,
  StreamRegistry,
  type StreamState,
} from '../../core/index.ts';
import type { ControlDeps } from '../control-deps.ts';
import { type ControlOptions, DEFAULT_CONTROL_OPTIONS } from '../control-options.ts';
import { ControlServer } from '../control-server.ts';
import { PrometheusCounters } from '../metrics/prometheus-counters.ts';

type Track = NonNullable<StreamState['video']>;

/** A video track without parameters, for streams that nobody decodes. */
export const H264: Track = { id: 1, kind: 'video', codec: 'h264', clockRate: 90_000, parameters: [] };
/** Its audio. */
export const AAC: Track = { id: 2, kind: 'audio', codec: 'aac', clockRate: 48_000, parameters: [] };

/** A control server over hub parts of its own, for one test. */
export class ControlFixture {
  readonly streams = new StreamRegistry({ reconnectWaitMs: 0, maxStreams: 5000 });
  readonly sessions = new SessionRegistry();
  readonly connections = new ConnectionRegistry();
  readonly counters = new PrometheusCounters();
  /** Where the console would be; empty. */
  readonly folder = mkdtempSync(join(tmpdir(), 'control-'));
  /** Messages of the errors that were logged. */
  readonly errors: string[] = [];
  /** Reasons that sessions and connections were closed with, in order: `room: reason`. */
  readonly closed: string[] = [];
  server: ControlServer | undefined;

  /** Starts the server and gives its address, without a slash at the end. */
  async start(deps: Partial<ControlDeps> = {}, options: Partial<ControlOptions> = {}): Promise<string> {
    this.server = new ControlServer(this.deps(deps), {
      ...DEFAULT_CONTROL_OPTIONS,
      host: '127.0.0.1',
      port: 0,
      checkAnswers: true,
      ...options,
    });
    await this.server.start();
    return `http://127.0.0.1:${this.server.port}`;
  }

  /** What the server is given, with `deps` in place of the fixture's own. */
  deps(deps: Partial<ControlDeps> = {}): ControlDeps {
    return {
      streams: this.streams,
      sessions: this.sessions,
      connections: this.connections,
      counters: this.counters,
      log: this.#log(),
      describeTrack: () => ({
        video: { width: 1280, height: 720, codecString: 'avc1.64001f' },
        audio: { sampleRate: 48_000, channels: 2 },
      }),
      version: '1.2.3',
      ports: () => ({
        rtmp: 1935,
        hls: 8082,
        ws: 8080,
        wss: 8443,
        rtsp: 5554,
        srt: 8890,
        webrtc: true,
        hlsSecure: 8445,
        mse: true,
        lowLatencyHls: true,
        dash: true,
        hlsLadder: true,
      }),
      consoleDir: this.folder,
      demoStreamName: 'demo',
      ...deps,
    };
  }

  async close(): Promise<void> {
    await this.server?.close();
    this.streams.close();
    rmSync(this.folder, { recursive: true });
  }

  /** Registers a session that is a publication unless `fields` say otherwise; closing it takes it away. */
  addSession(
    streamName: string,
    fields: Partial<SessionDescription> = {},
    can: Pick<MediaSession, 'explain'> = {},
  ): SessionDescription {
    const description: SessionDescription = {
      sessionId: '/192.0.2.7:50000/192.0.2.1:1935',
      mediaSessionId: `${streamName}-${this.sessions.size}`,
      appKey: 'flashStreamingApp',
      protocol: 'rtmp',
      mediaProvider: 'Flash',
      mediaType: 'publish',
      streamName,
      status: 'PUBLISHING',
      createDate: Date.now() - 5000,
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
    const registration = this.sessions.add({
      ...can,
      mediaSessionId: description.mediaSessionId,
      describe: () => description,
      close: (reason) => {
        this.closed.push(`${streamName}: ${reason}`);
        registration[Symbol.dispose]();
      },
    });
    return description;
  }

  /** Publishes a stream with one video and one audio packet. */
  publish(name: string, fields: Partial<SessionDescription> = {}): Stream {
    const session = this.addSession(name, fields);
    const stream = this.streams.publish(name, { sessionId: session.mediaSessionId, close: () => {} });
    const units = [new Uint8Array(1000)];
    stream.publish({ track: H264, units, ptsUs: 0, dtsUs: 0, key: true, byteLength: 1000 });
    stream.publish({ track: AAC, units, ptsUs: 0, dtsUs: 0, key: true, byteLength: 100 });
    return stream;
  }

  /** Registers a connection; closing it takes it away. */
  addConnection(
    sessionId: string,
    fields: Partial<ConnectionDescription> = {},
    can: Pick<ClientConnection, 'sendData' | 'setLogLevel'> = {},
  ): ConnectionDescription {
    const description: ConnectionDescription = {
      sessionId,
      appKey: 'flashStreamingApp',
      protocol: 'rtmp',
      mediaProvider: 'Flash',
      status: 'ESTABLISHED',
      login: 'token',
      clientVersion: 'FMLE/3.0',
      remoteAddress: '192.0.2.7',
      createDate: 1_700_000_000_000,
      keepAlive: true,
      bytesIn: 1,
      bytesOut: 2,
      custom: {},
      ...fields,
    };
    const connection: ClientConnection = {
      ...can,
      sessionId,
      describe: () => description,
      close: (reason) => {
        this.closed.push(`${sessionId}: ${reason}`);
        registration[Symbol.dispose]();
      },
    };
    const registration = this.connections.add(connection);
    return description;
  }

  #log(): Log {
    const silent = (): void => {};
    const error = (_fields: object, message: string): void => void this.errors.push(message);
    const log: Log = { child: () => log, debug: silent, info: silent, warn: silent, error };
    return log;
  }
}

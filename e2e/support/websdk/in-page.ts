/** The parts of the Web SDK's page API that the tests use. */
interface SdkStream {
  id(): string;
  name(): string;
  status(): string;
  getInfo(): string | undefined;
  publish(): void;
  play(): void;
  stop(): void;
  on(event: string, listener: (...args: unknown[]) => void): SdkStream;
  muteAudio(): void;
  unmuteAudio(): void;
  muteVideo(): void;
  unmuteVideo(): void;
  sendData(payload: unknown): void;
  available(): Promise<unknown>;
  snapshot(): void;
  getRecordInfo(): string | undefined;
  getAudioState(): { muted: boolean } | undefined;
  getVideoState(): { muted: boolean } | undefined;
  getStats(listener: (stats: unknown) => void): void;
}

interface SdkSession {
  status(): string;
  createStream(options: object): SdkStream;
  disconnect(): void;
  on(event: string, listener: (...args: unknown[]) => void): SdkSession;
  sendData(payload: unknown): Promise<unknown>;
}

interface SessionEntry {
  readonly session: SdkSession;
  readonly statuses: string[];
  readonly notices: SessionNotice[];
  connection: Record<string, unknown>;
}

/** What the application was told of its session beside statuses. */
export interface SessionNotice {
  readonly event: 'WARN' | 'APP_DATA';
  readonly details: unknown;
}

interface Sdk {
  init(options: object): Promise<void>;
  createSession(options: object): SdkSession;
  constants: Record<'SESSION_STATUS' | 'STREAM_STATUS' | 'CONNECTION_QUALITY', Record<string, string>>;
}

/** What one stream of a page has gone through. */
export interface StreamReport {
  /** Statuses in order, with the `info` that came along. */
  readonly statuses: { status: string; info: string | undefined; audioMuted?: boolean; videoMuted?: boolean }[];
  readonly events: { type: string; payload: unknown }[];
  /** What the SDK makes of the rates that the server tells. */
  readonly qualities: { quality: string; clientBps: number; serverBps: number }[];
  readonly frames: number;
  readonly width: number;
  readonly height: number;
  /** How long sound was heard. */
  readonly soundMs: number;
}

/** Commands that tests give to a page; all streams and sessions go by labels of the test. */
export interface Harness {
  readonly log: string[];
  connect(label: string, options: object): Promise<string>;
  sessionStatuses(label: string): string[];
  /** Warnings, and data of the server's application. */
  notices(label: string): SessionNotice[];
  /** What the server said of the session when it was established. */
  connection(label: string): Record<string, unknown>;
  sendData(session: string, payload: unknown): Promise<unknown>;
  start(command: StartCommand): void;
  stream(label: string): SdkStream;
  report(label: string): StreamReport;
  stats(label: string): Promise<unknown>;
  available(session: string, name: string): Promise<{ available: boolean; reason: string | undefined }>;
  /** Has the SDK ask for a picture of a stream, by an object that never plays; gives what came of it. */
  snapshot(session: string, name: string): Promise<{ type: string; payload: Record<string, string> }>;
  /** Ends the camera of a publication: no more pictures come of it. */
  silence(label: string): void;
  /** Name of the file that the server has recorded. */
  recordName(label: string): string | undefined;
  disconnect(session: string): void;
  /** Changes the size that the camera of a publication gives. */
  resize(label: string, size: { width: number; height: number }): Promise<void>;
}

export interface StartCommand {
  readonly session: string;
  readonly label: string;
  readonly how: 'publish' | 'play';
  readonly name: string;
  /** Further options of `createStream`. */
  readonly options?: object;
}

/** Runs in the page: makes `window.harness` from the SDK that the page has loaded. */
export async function installHarness(): Promise<void> {
  const { Flashphoner } = window as unknown as { Flashphoner: Sdk };
  const { SESSION_STATUS, STREAM_STATUS } = Flashphoner.constants;
  const log: string[] = [];
  const sessions = new Map<string, SessionEntry>();
  const streams = new Map<
    string,
    { stream: SdkStream; report: StreamReport & { soundMs: number }; display: Element }
  >();
  window.addEventListener('error', (event) => log.push(`error: ${event.message}`));
  window.addEventListener('unhandledrejection', (event) => log.push(`rejection: ${String(event.reason)}`));
  await Flashphoner.init({});

  function sessionOf(label: string): SessionEntry {
    const found = sessions.get(label);
    if (found === undefined) throw new Error(`no session ${label}`);
    return found;
  }

  function connect(label: string, options: object): Promise<string> {
    const session = Flashphoner.createSession(options);
    const statuses: string[] = [];
    const notices: SessionNotice[] = [];
    const entry: SessionEntry = { session, statuses, notices, connection: {} };
    sessions.set(label, entry);
    for (const event of ['WARN', 'APP_DATA'] as const)
      session.on(SESSION_STATUS[event] ?? event, (details) => notices.push({ event, details }));
    return new Promise((resolve) => {
      for (const status of ['CONNECTED', 'ESTABLISHED', 'FAILED', 'DISCONNECTED', 'REGISTERED']) {
        session.on(SESSION_STATUS[status] ?? status, (_session, details) => {
          statuses.push(status);
          if (status === 'ESTABLISHED') entry.connection = details as Record<string, unknown>;
          if (status !== 'CONNECTED') resolve(status);
        });
      }
    });
  }

  function start({ session, label, how, name, options }: StartCommand): void {
    const display = document.createElement('div');
    document.body.append(display);
    const stream = sessionOf(session).session.createStream({ name, display, ...options });
    const report = {
      statuses: [],
      events: [],
      qualities: [],
      frames: 0,
      width: 0,
      height: 0,
      soundMs: 0,
    } as StreamReport;
    streams.set(label, { stream, report, display });
    for (const status of Object.values(STREAM_STATUS)) {
      stream.on(status, () => {
        const audioMuted = stream.getAudioState()?.muted;
        const videoMuted = stream.getVideoState()?.muted;
        const muted = how === 'play' && status === 'PLAYING' ? { audioMuted, videoMuted } : {};
        report.statuses.push({ status, info: stream.getInfo(), ...muted } as StreamReport['statuses'][number]);
        if (status === 'PLAYING') listen(label);
      });
    }
    stream.on('STREAM_EVENT', (event) => {
      const { type, payload } = event as { type: string; payload: unknown };
      report.events.push({ type, payload });
    });
    stream.on('UPDATE', (quality, clientBps, serverBps) => {
      report.qualities.push({ quality, clientBps, serverBps } as StreamReport['qualities'][number]);
    });
    if (how === 'publish') stream.publish();
    else stream.play();
  }

  /** Every 50 ms, asks whether anything can be heard. */
  function listen(label: string): void {
    const { display, report } = streams.get(label) ?? {};
    const source = display?.querySelector('video')?.srcObject;
    if (!(source instanceof MediaStream) || source.getAudioTracks().length === 0 || report === undefined) return;
    const context = new AudioContext();
    const analyser = new AnalyserNode(context, { fftSize: 2048 });
    context.createMediaStreamSource(source).connect(analyser);
    const samples = new Float32Array(analyser.fftSize);
    setInterval(() => {
      analyser.getFloatTimeDomainData(samples);
      if (samples.some((sample) => Math.abs(sample) > 0.01)) report.soundMs += 50;
    }, 50);
  }

  function streamOf(label: string): { stream: SdkStream; report: StreamReport; display: Element } {
    const found = streams.get(label);
    if (found === undefined) throw new Error(`no stream ${label}`);
    return found;
  }

  const harness: Harness = {
    log,
    connect,
    sessionStatuses: (label) => sessionOf(label).statuses,
    notices: (label) => sessionOf(label).notices,
    connection: (label) => sessionOf(label).connection,
    sendData: (session, payload) => sessionOf(session).session.sendData(payload),
    start,
    stream: (label) => streamOf(label).stream,
    report: (label) => {
      const { report, display } = streamOf(label);
      const video = display.querySelector('video');
      const frames = video?.getVideoPlaybackQuality().totalVideoFrames ?? 0;
      return { ...report, frames, width: video?.videoWidth ?? 0, height: video?.videoHeight ?? 0 };
    },
    stats: (label) => new Promise((resolve) => streamOf(label).stream.getStats(resolve)),
    available: async (session, name) => {
      const display = document.createElement('div');
      document.body.append(display);
      const stream = sessionOf(session).session.createStream({ name, display });
      const available = await stream.available().then(
        () => true,
        () => false,
      );
      return { available, reason: stream.getInfo() };
    },
    snapshot: (session, name) => {
      const stream = sessionOf(session).session.createStream({ name, display: document.createElement('div') });
      return new Promise((resolve) => {
        stream.on('STREAM_EVENT', (event) => resolve(event as { type: string; payload: Record<string, string> }));
        stream.snapshot();
      });
    },
    silence: (label) => {
      const source = streamOf(label).display.querySelector('video')?.srcObject as MediaStream;
      for (const track of source.getTracks()) track.stop();
    },
    recordName: (label) => streamOf(label).stream.getRecordInfo(),
    resize: async (label, size) => {
      const source = streamOf(label).display.querySelector('video')?.srcObject as MediaStream;
      await source.getVideoTracks()[0]?.applyConstraints(size);
    },
    disconnect: (session) => sessionOf(session).session.disconnect(),
  };
  (window as unknown as { harness: Harness }).harness = harness;
}

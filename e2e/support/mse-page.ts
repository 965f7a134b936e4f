/** What a page sees of a stream that it plays from `/mse/`. */
export interface MseReport {
  /** From the opening of the socket to the first picture on the screen, milliseconds; undefined before. */
  readonly startMs: number | undefined;
  readonly texts: readonly Record<string, unknown>[];
  readonly errors: readonly string[];
  /** Milliseconds since 1970, and the time of the stream that is shown then. */
  readonly atMs: number;
  readonly shownMs: number;
  /** How much is there and not shown yet, milliseconds. */
  readonly bufferedMs: number;
  readonly frames: number;
  readonly audioBytes: number;
  /** Times that the picture stood still for want of media, and jumps to the newest. */
  readonly stalls: number;
  readonly jumps: number;
  readonly width: number;
  readonly closeCode: number | undefined;
}

/** Commands of a page with a player of `/mse/`. */
export interface MsePage {
  play(url: string): void;
  report(): MseReport;
}

/** Runs in the page: a player as small as one can be that stays near the newest picture. */
export function installMsePage(): void {
  /** What is kept between the newest media and what is shown; where it plays faster until when; and where it jumps, seconds. */
  const aim = 0.25;
  const faster = { above: 0.4, until: 0.3 };
  const tooMuch = 0.6;
  const video = document.createElement('video');
  video.muted = true;
  document.body.append(video);
  const texts: Record<string, unknown>[] = [];
  const errors: string[] = [];
  const queue: ArrayBuffer[] = [];
  let openedMs = 0;
  let startMs: number | undefined;
  let stalls = 0;
  let jumps = 0;
  let closeCode: number | undefined;
  let buffer: SourceBuffer | undefined;
  let started = false;
  video.addEventListener('waiting', () => {
    if (startMs !== undefined) stalls++;
  });
  video.addEventListener('error', () => errors.push(video.error?.message ?? 'error'));
  video.requestVideoFrameCallback(() => {
    startMs = performance.now() - openedMs;
  });

  function toNewest(): void {
    const { buffered } = video;
    if (buffered.length === 0) return;
    const end = buffered.end(buffered.length - 1);
    const start = buffered.start(buffered.length - 1);
    const ahead = end - video.currentTime;
    if (ahead > faster.above) video.playbackRate = 1.1;
    else if (ahead < faster.until) video.playbackRate = 1;
    if (started && video.currentTime >= start && ahead <= tooMuch) return;
    if (started) jumps++;
    video.currentTime = Math.max(start, end - aim);
    started = true;
    video.play().catch((error: unknown) => errors.push(String(error)));
  }

  function pump(): void {
    if (buffer === undefined || buffer.updating) return;
    toNewest();
    const next = queue.shift();
    if (next !== undefined) buffer.appendBuffer(next);
  }

  function open(codecs: string): void {
    const source = new MediaSource();
    video.src = URL.createObjectURL(source);
    source.addEventListener(
      'sourceopen',
      () => {
        buffer = source.addSourceBuffer(codecs);
        buffer.addEventListener('updateend', pump);
        pump();
      },
      { once: true },
    );
  }

  const page: MsePage = {
    play: (url) => {
      const socket = new WebSocket(url);
      socket.binaryType = 'arraybuffer';
      socket.onopen = () => {
        openedMs = performance.now();
      };
      socket.onclose = ({ code }) => {
        closeCode = code;
      };
      socket.onmessage = ({ data }: MessageEvent<string | ArrayBuffer>) => {
        if (typeof data !== 'string') {
          queue.push(data);
          return pump();
        }
        const text = JSON.parse(data) as Record<string, unknown>;
        texts.push(text);
        if (text['type'] === 'init' && video.src === '') open(String(text['codecs']));
      };
    },
    report: () => {
      const { buffered, currentTime } = video;
      const end = buffered.length === 0 ? 0 : buffered.end(buffered.length - 1);
      return {
        startMs,
        texts,
        errors,
        atMs: Date.now(),
        shownMs: currentTime * 1000,
        bufferedMs: Math.max(0, end - currentTime) * 1000,
        frames: video.getVideoPlaybackQuality().totalVideoFrames,
        audioBytes: (video as { webkitAudioDecodedByteCount?: number }).webkitAudioDecodedByteCount ?? 0,
        stalls,
        jumps,
        width: video.videoWidth,
        closeCode,
      };
    },
  };
  (window as unknown as { mse: MsePage }).mse = page;
}

/*
 * What runs inside browser pages: a publisher by WHIP whose picture flashes while a tone sounds, and a player by WHEP
 * that tells what it sees and hears. Each function is sent to the page as it is, so it uses nothing from outside.
 */

export interface PublishInPage {
  readonly url: string;
  /** Mime type of the only video codec that is offered, such as `video/H264`; none for sound alone. */
  readonly video: string | undefined;
  readonly audio: boolean;
  readonly flashSeconds: number;
  readonly beepHz: number;
  readonly width?: number;
  readonly height?: number;
}

export interface PlayInPage {
  readonly url: string;
  readonly video: boolean;
  readonly audio: boolean;
  readonly configuration?: RTCConfiguration;
}

/** What a page that plays has seen so far. */
export interface PlayedInPage {
  readonly state: string;
  readonly framesDecoded: number;
  readonly freezes: number;
  readonly flashes: number[];
  readonly beeps: number[];
  readonly videoCodec: string;
  readonly audioCodec: string;
  readonly width: number;
  readonly height: number;
  /** From the moment before the offer was sent to the first decoded picture, milliseconds; -1 while there is none. */
  readonly firstFrameMs: number;
  readonly packetsLost: number;
  /** How long sound waited in the browser on average, milliseconds. */
  readonly soundBufferMs: number;
  readonly error: string;
}

/** Picture that flashes and sound that beeps at the same time. Kept in the page as `window.makeSource`. */
export async function makeSource(options: Omit<PublishInPage, 'url'>): Promise<MediaStream> {
  const { flashSeconds, beepHz, width = 320, height = 240 } = options;
  const audio = new AudioContext({ sampleRate: 48_000 });
  await audio.resume();
  const stream = new MediaStream();
  if (options.video !== undefined) {
    const canvas = document.createElement('canvas');
    canvas.width = width;
    canvas.height = height;
    const context = canvas.getContext('2d') as CanvasRenderingContext2D;
    setInterval(() => {
      context.fillStyle = audio.currentTime % 1 < flashSeconds ? '#fff' : '#000';
      context.fillRect(0, 0, width, height);
      context.fillStyle = '#888';
      context.fillRect((performance.now() / 10) % width, 0, 8, 8);
    }, 1000 / 30);
    for (const track of canvas.captureStream(30).getVideoTracks()) stream.addTrack(track);
  }
  if (!options.audio) return stream;
  const tone = new OscillatorNode(audio, { frequency: beepHz });
  const gain = new GainNode(audio, { gain: 0 });
  const end = audio.createMediaStreamDestination();
  tone.connect(gain).connect(end);
  tone.start();
  let scheduled = Math.ceil(audio.currentTime);
  const schedule = (): void => {
    for (; scheduled < audio.currentTime + 3; scheduled++) {
      gain.gain.setValueAtTime(0.5, scheduled);
      gain.gain.setValueAtTime(0, scheduled + flashSeconds);
    }
  };
  schedule();
  setInterval(schedule, 500);
  for (const track of end.stream.getAudioTracks()) stream.addTrack(track);
  return stream;
}

/** Adds the tracks to a connection, with one video codec only. Kept in the page as `window.sendTracks`. */
export function sendTracks(peer: RTCPeerConnection, stream: MediaStream, video: string | undefined): void {
  for (const track of stream.getTracks()) {
    const transceiver = peer.addTransceiver(track, { direction: 'sendonly', streams: [stream] });
    if (track.kind !== 'video') continue;
    const codecs = RTCRtpSender.getCapabilities('video')?.codecs ?? [];
    transceiver.setCodecPreferences(codecs.filter(({ mimeType }) => mimeType === video || mimeType === 'video/rtx'));
  }
}

/** Shows what a connection receives and keeps what is seen in `window.played`. Kept as `window.watchPeer`. */
export function watchPeer(peer: RTCPeerConnection): void {
  const played = { flashes: [] as number[], beeps: [] as number[], firstFrameMs: -1, error: '' };
  const globals = window as unknown as Record<string, unknown>;
  globals['played'] = played;
  globals['player'] = peer;
  const beganMs = performance.now();
  const element = document.createElement('video');
  element.autoplay = true;
  element.muted = true;
  document.body.append(element);
  const stream = new MediaStream();
  element.srcObject = stream;
  peer.addEventListener('track', ({ track }) => {
    stream.addTrack(track);
    if (track.kind === 'audio') listen(track);
    else look();
  });

  function look(): void {
    const canvas = new OffscreenCanvas(8, 8);
    const context = canvas.getContext('2d', { willReadFrequently: true }) as OffscreenCanvasRenderingContext2D;
    let wasOn = true;
    const onFrame = (_: number, { expectedDisplayTime }: { expectedDisplayTime: number }): void => {
      if (played.firstFrameMs < 0) played.firstFrameMs = performance.now() - beganMs;
      context.drawImage(element, 0, element.videoHeight / 2, element.videoWidth, element.videoHeight / 2, 0, 0, 8, 8);
      const isOn = (context.getImageData(4, 4, 1, 1).data[0] ?? 0) > 120;
      if (isOn && !wasOn) played.flashes.push(expectedDisplayTime);
      wasOn = isOn;
      element.requestVideoFrameCallback(onFrame);
    };
    element.requestVideoFrameCallback(onFrame);
  }

  function listen(track: MediaStreamTrack): void {
    const audio = new AudioContext();
    void audio.resume();
    const analyser = new AnalyserNode(audio, { fftSize: 256 });
    audio.createMediaStreamSource(new MediaStream([track])).connect(analyser);
    const samples = new Float32Array(analyser.fftSize);
    let lastOnMs = performance.now();
    setInterval(() => {
      analyser.getFloatTimeDomainData(samples);
      const nowMs = performance.now();
      const isOn = samples.some((sample) => Math.abs(sample) > 0.1);
      if (isOn && nowMs - lastOnMs > 400) played.beeps.push(nowMs);
      if (isOn) lastOnMs = nowMs;
    }, 5);
  }
}

interface Kept {
  makeSource: typeof makeSource;
  sendTracks: typeof sendTracks;
  watchPeer: typeof watchPeer;
  resource: string;
  answer: string;
  publisher: RTCPeerConnection;
}

/** Publishes and leaves the connection in `window.publisher`. Resolves when it is connected. */
export async function publishInPage(options: PublishInPage): Promise<void> {
  const kept = window as unknown as Kept;
  const stream = await kept.makeSource(options);
  const peer = new RTCPeerConnection();
  kept.publisher = peer;
  kept.sendTracks(peer, stream, options.video);
  await peer.setLocalDescription();
  const response = await fetch(options.url, {
    method: 'POST',
    headers: { 'content-type': 'application/sdp' },
    body: peer.localDescription?.sdp ?? '',
  });
  if (response.status !== 201) throw new Error(`${response.status} ${await response.text()}`);
  kept.resource = new URL(response.headers.get('location') ?? '', options.url).href;
  await peer.setRemoteDescription({ type: 'answer', sdp: await response.text() });
  await new Promise<void>((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`publisher is ${peer.connectionState}`)), 10_000);
    const check = (): void => {
      if (peer.connectionState !== 'connected') return;
      clearTimeout(timer);
      resolve();
    };
    peer.addEventListener('connectionstatechange', check);
    check();
  });
}

/** Begins to play and keeps what it sees in `window.played`. */
export async function playInPage(options: PlayInPage): Promise<void> {
  const kept = window as unknown as Kept;
  const peer = new RTCPeerConnection(options.configuration);
  if (options.audio) peer.addTransceiver('audio', { direction: 'recvonly' });
  if (options.video) peer.addTransceiver('video', { direction: 'recvonly' });
  kept.watchPeer(peer);
  await peer.setLocalDescription();
  const response = await fetch(options.url, {
    method: 'POST',
    headers: { 'content-type': 'application/sdp' },
    body: peer.localDescription?.sdp ?? '',
  });
  const text = await response.text();
  kept.answer = text;
  if (response.status !== 201) throw new Error(`${response.status} ${text}`);
  kept.resource = new URL(response.headers.get('location') ?? '', options.url).href;
  await peer.setRemoteDescription({ type: 'answer', sdp: text });
}

/** Ends what `playInPage` began, and tells the server, which else finds out some seconds later. */
export async function leaveInPage(): Promise<void> {
  const kept = window as unknown as Kept;
  const { ok, status } = await fetch(kept.resource, { method: 'DELETE' });
  if (!ok) throw new Error(`leaving was answered with ${status}`);
}

/** Plays in the same page what it sends, without any server: what this browser itself adds to an offset. */
export async function playDirectly(options: Omit<PublishInPage, 'url'>): Promise<void> {
  const kept = window as unknown as Kept;
  const [from, to] = [new RTCPeerConnection(), new RTCPeerConnection()];
  kept.sendTracks(from, await kept.makeSource(options), options.video);
  kept.watchPeer(to);
  from.addEventListener('icecandidate', ({ candidate }) => void to.addIceCandidate(candidate));
  to.addEventListener('icecandidate', ({ candidate }) => void from.addIceCandidate(candidate));
  await from.setLocalDescription();
  await to.setRemoteDescription(from.localDescription as RTCSessionDescription);
  await to.setLocalDescription();
  await from.setRemoteDescription(to.localDescription as RTCSessionDescription);
}

/** Facts of this moment about what is played. */
export async function playedInPage(): Promise<PlayedInPage> {
  const globals = window as unknown as Record<string, unknown>;
  const peer = globals['player'] as RTCPeerConnection;
  const played = globals['played'] as Pick<PlayedInPage, 'flashes' | 'beeps' | 'firstFrameMs' | 'error'>;
  const stats = [...(await peer.getStats()).values()] as Record<string, unknown>[];
  const inbound = (kind: string): Record<string, unknown> =>
    stats.find((entry) => entry['type'] === 'inbound-rtp' && entry['kind'] === kind) ?? {};
  const codec = (kind: string): string =>
    JSON.stringify(stats.find((entry) => entry['id'] === inbound(kind)['codecId'])?.['mimeType'] ?? '').slice(1, -1);
  const element = document.querySelector('video');
  return {
    ...played,
    state: peer.connectionState,
    framesDecoded: Number(inbound('video')['framesDecoded'] ?? 0),
    freezes: Number(inbound('video')['freezeCount'] ?? 0),
    packetsLost: Number(inbound('video')['packetsLost'] ?? 0) + Number(inbound('audio')['packetsLost'] ?? 0),
    soundBufferMs:
      (1000 * Number(inbound('audio')['jitterBufferDelay'] ?? 0)) /
      Math.max(1, Number(inbound('audio')['jitterBufferEmittedCount'] ?? 0)),
    videoCodec: codec('video'),
    audioCodec: codec('audio'),
    width: element?.videoWidth ?? 0,
    height: element?.videoHeight ?? 0,
  };
}

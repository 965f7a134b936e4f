/*
 * What runs inside browser pages: a publisher by WHIP whose pictures are numbered, and a look at what a page plays.
 * Each function is sent to the page as it is, so it uses nothing from outside but what is kept in `window`.
 */
import type { numberOf } from './numbered.ts';
import type { Span } from './stalls.ts';

export interface PublishNumbered {
  readonly url: string;
  /** Mime type of the only video codec that is offered. */
  readonly video: string;
  readonly width: number;
  readonly height: number;
  readonly rate: number;
  /** Whether the picture is so restless that an encoder needs its bitrate. */
  readonly noise: boolean;
  /** How strong that is, 0 to 1, which is the default. */
  readonly strength?: number;
  readonly encodings: RTCRtpEncodingParameters[];
  readonly numberBits: number;
  /** Whether the times of all pictures are kept that are sent. */
  readonly notesSent: boolean;
  /** The sound is the browser's false microphone instead of a tone: without a sound card Firefox makes none itself. */
  readonly microphone?: boolean;
}

/** A picture that a page drew or showed, on the clock of the machine. */
export interface NumberedPicture {
  readonly atMs: number;
  /** Undefined for one that is not whole. */
  readonly number: number | undefined;
  readonly width: number;
}

/** What a page knows of a player at one moment; sums since the beginning, in the units of `getStats()`. */
export interface PlaySample {
  readonly atMs: number;
  readonly framesDecoded: number;
  readonly keyFramesDecoded: number;
  readonly freezeCount: number;
  readonly totalFreezesDuration: number;
  readonly bytesReceived: number;
  readonly packetsLost: number;
  readonly retransmittedPacketsReceived: number;
  readonly jitterBufferDelay: number;
  readonly jitterBufferEmittedCount: number;
  readonly concealedSamples: number;
  readonly silentConcealedSamples: number;
  readonly totalSamplesReceived: number;
  readonly audioBytesReceived: number;
  readonly currentRoundTripTime: number;
  readonly frameHeight: number;
  readonly connection: string;
}

/** All that a page has seen of what it plays. */
export interface SeenInPage {
  readonly pictures: NumberedPicture[];
  readonly samples: PlaySample[];
  /** When the page itself did not run, though it was to, on the clock of the machine. */
  readonly stalls: Span[];
  /** Protocol of the chosen pair, and whether it goes by a relay: such as `udp`, `tcp`, `relay tls`. */
  readonly path: string;
  /** Before the offer was made. */
  readonly beganMs: number;
}

interface Kept {
  numberOf: typeof numberOf;
  publisher: RTCPeerConnection;
  player: RTCPeerConnection;
  seen: SeenInPage;
  drawn: NumberedPicture[];
  sentTimesMs: number[];
}

/** Publishes numbered pictures and a tone; leaves the connection in `window.publisher`. Resolves when it is connected. */
export async function publishNumbered(options: PublishNumbered): Promise<void> {
  const { width, height, numberBits } = options;
  const kept = window as unknown as Kept;
  kept.drawn = [];
  kept.sentTimesMs = [];
  const canvas = document.createElement('canvas');
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext('2d') as CanvasRenderingContext2D;
  const noise = new OffscreenCanvas(width * 2, height * 2);
  const noiseContext = noise.getContext('2d') as OffscreenCanvasRenderingContext2D;
  const grains = noiseContext.createImageData(noise.width, noise.height);
  for (let i = 0; i < grains.data.length; i += 4) {
    const level = options.noise ? 128 + (Math.random() - 0.5) * 255 * (options.strength ?? 1) : 128;
    grains.data.set([level, level, level, 255], i);
  }
  noiseContext.putImageData(grains, 0, 0);
  let count = 0;
  const draw = (): void => {
    const number = count++ % 2 ** numberBits;
    context.drawImage(noise, -Math.random() * width, -Math.random() * height);
    for (let bit = 0; bit < numberBits; bit++) {
      const isOne = Math.floor(number / 2 ** bit) % 2 === 1;
      const [left, right] = [(bit * width) / numberBits, ((bit + 1) * width) / numberBits];
      context.fillStyle = isOne ? '#fff' : '#000';
      context.fillRect(left, 0, right - left, height / 8);
      context.fillStyle = isOne ? '#000' : '#fff';
      context.fillRect(left, height - height / 8, right - left, height / 8);
    }
    kept.drawn.push({ atMs: performance.timeOrigin + performance.now(), number, width });
  };
  // Pictures are due on a clock, or a busy page would draw fewer.
  const beganMs = performance.now();
  setInterval(() => {
    if (performance.now() - beganMs >= (count * 1000) / options.rate) draw();
  }, 5);
  draw();
  const heard = options.microphone ? await navigator.mediaDevices.getUserMedia({ audio: true }) : await playTone();

  const peer = new RTCPeerConnection();
  kept.publisher = peer;
  const [picture] = canvas.captureStream(options.rate).getVideoTracks();
  const [sound] = heard.getAudioTracks();
  if (picture === undefined || sound === undefined) throw new Error('no tracks');
  peer.addTransceiver(sound, { direction: 'sendonly' });
  const transceiver = peer.addTransceiver(picture, { direction: 'sendonly', sendEncodings: options.encodings });
  const codecs = RTCRtpSender.getCapabilities('video')?.codecs ?? [];
  transceiver.setCodecPreferences(codecs.filter(({ mimeType }) => [options.video, 'video/rtx'].includes(mimeType)));
  if (options.encodings.length > 1) {
    const parameters = transceiver.sender.getParameters();
    await transceiver.sender.setParameters({ ...parameters, degradationPreference: 'maintain-resolution' });
  }
  if (options.notesSent) {
    const pipe = (transformer: { readable: ReadableStream; writable: WritableStream }): void => {
      const note = new TransformStream<RTCEncodedVideoFrame>({
        transform: (frame, controller) => {
          postMessage(frame.getMetadata().rtpTimestamp);
          controller.enqueue(frame);
        },
      });
      void transformer.readable.pipeThrough(note).pipeTo(transformer.writable);
    };
    const code = `onrtctransform = ({ transformer }) => (${String(pipe)})(transformer)`;
    const worker = new Worker(URL.createObjectURL(new Blob([code])));
    worker.addEventListener('message', ({ data }) => kept.sentTimesMs.push(Number(data) / 90));
    transceiver.sender.transform = new RTCRtpScriptTransform(worker);
  }
  await peer.setLocalDescription();
  const response = await fetch(options.url, {
    method: 'POST',
    headers: { 'content-type': 'application/sdp' },
    body: peer.localDescription?.sdp ?? '',
  });
  if (response.status !== 201) throw new Error(`${response.status} ${await response.text()}`);
  await peer.setRemoteDescription({ type: 'answer', sdp: await response.text() });
  await new Promise<void>((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`publisher is ${peer.connectionState}`)), 15_000);
    const check = (): void => {
      if (peer.connectionState !== 'connected') return;
      clearTimeout(timer);
      resolve();
    };
    peer.addEventListener('connectionstatechange', check);
    check();
  });

  async function playTone(): Promise<MediaStream> {
    const audio = new AudioContext();
    await audio.resume();
    const tone = new OscillatorNode(audio, { frequency: 440 });
    const end = audio.createMediaStreamDestination();
    tone.connect(new GainNode(audio, { gain: 0.3 })).connect(end);
    tone.start();
    return end.stream;
  }
}

/** How a page is to play. */
export interface PlayNumbered {
  readonly url: string;
  readonly configuration: RTCConfiguration;
  readonly numberBits: number;
  /** How often the page is to beat, and how much later than that is a stall. */
  readonly beatMs: number;
  readonly stallMs: number;
}

/** Plays by WHEP, and keeps in `window.seen` what is shown and what the browser tells of it. */
export async function playNumbered(options: PlayNumbered): Promise<void> {
  const { url, configuration, numberBits, beatMs, stallMs } = options;
  const kept = window as unknown as Kept;
  const peer = new RTCPeerConnection(configuration);
  kept.player = peer;
  const video = document.createElement('video');
  video.autoplay = true;
  video.muted = true;
  document.body.append(video);
  const stream = new MediaStream();
  video.srcObject = stream;
  peer.addEventListener('track', ({ track }) => stream.addTrack(track));
  const seen: SeenInPage & { path: string } = {
    pictures: [],
    samples: [],
    stalls: [],
    path: '',
    beganMs: performance.timeOrigin + performance.now(),
  };
  kept.seen = seen;
  let lastBeatMs = performance.now();
  setInterval(() => {
    const [beforeMs, atMs] = [lastBeatMs, performance.now()];
    lastBeatMs = atMs;
    if (atMs - beforeMs <= beatMs + stallMs) return;
    seen.stalls.push({ fromMs: performance.timeOrigin + beforeMs + beatMs, toMs: performance.timeOrigin + atMs });
  }, beatMs);
  const canvas = new OffscreenCanvas(numberBits, 8);
  const context = canvas.getContext('2d', { willReadFrequently: true }) as OffscreenCanvasRenderingContext2D;
  const onFrame = (): void => {
    context.drawImage(video, 0, 0, numberBits, 8);
    const { data } = context.getImageData(0, 0, numberBits, 8);
    const luma: number[] = [];
    for (const row of [0, 7]) for (let x = 0; x < numberBits; x++) luma.push(data[(row * numberBits + x) * 4] ?? 0);
    const atMs = performance.timeOrigin + performance.now();
    seen.pictures.push({ atMs, number: kept.numberOf(luma, numberBits), width: video.videoWidth });
    video.requestVideoFrameCallback(onFrame);
  };
  video.requestVideoFrameCallback(onFrame);
  peer.addTransceiver('audio', { direction: 'recvonly' });
  peer.addTransceiver('video', { direction: 'recvonly' });
  await peer.setLocalDescription();
  const body = peer.localDescription?.sdp ?? '';
  const response = await fetch(url, { method: 'POST', headers: { 'content-type': 'application/sdp' }, body });
  const answer = await response.text();
  if (response.status !== 201) throw new Error(`${response.status} ${answer}`);
  await peer.setRemoteDescription({ type: 'answer', sdp: answer });
  setInterval(() => void sample(), 100);

  async function sample(): Promise<void> {
    const stats = [...(await peer.getStats()).values()] as Record<string, unknown>[];
    const of = (type: string, wish: (entry: Record<string, unknown>) => boolean): ((key: string) => number) => {
      const found = stats.find((entry) => entry['type'] === type && wish(entry)) ?? {};
      return (key) => Number(found[key] ?? 0);
    };
    const picture = of('inbound-rtp', ({ kind }) => kind === 'video');
    const sound = of('inbound-rtp', ({ kind }) => kind === 'audio');
    const transport = stats.find(({ type }) => type === 'transport');
    const pair = stats.find(({ id }) => id === transport?.['selectedCandidatePairId']) ?? {};
    const local = stats.find(({ id }) => id === pair['localCandidateId']) ?? {};
    const words = local['candidateType'] === 'relay' ? ['relay', local['relayProtocol']] : [local['protocol']];
    seen.path = words.join(' ');
    seen.samples.push({
      atMs: performance.timeOrigin + performance.now(),
      framesDecoded: picture('framesDecoded'),
      keyFramesDecoded: picture('keyFramesDecoded'),
      freezeCount: picture('freezeCount'),
      totalFreezesDuration: picture('totalFreezesDuration'),
      bytesReceived: picture('bytesReceived'),
      packetsLost: picture('packetsLost'),
      retransmittedPacketsReceived: picture('retransmittedPacketsReceived'),
      jitterBufferDelay: picture('jitterBufferDelay'),
      jitterBufferEmittedCount: picture('jitterBufferEmittedCount'),
      concealedSamples: sound('concealedSamples'),
      silentConcealedSamples: sound('silentConcealedSamples'),
      totalSamplesReceived: sound('totalSamplesReceived'),
      audioBytesReceived: sound('bytesReceived'),
      currentRoundTripTime: Number(pair['currentRoundTripTime'] ?? 0),
      frameHeight: picture('frameHeight'),
      connection: peer.connectionState,
    });
  }
}

/** All that has been seen so far. */
export function seenInPage(): SeenInPage {
  return (window as unknown as Kept).seen;
}

/** Times of all pictures that were sent, on the clock of their RTP timestamps, milliseconds. */
export function sentInPage(): number[] {
  return (window as unknown as Kept).sentTimesMs;
}

/** The source (SSRC) of the picture that is published. */
export async function sourceInPage(): Promise<number> {
  const stats = [...(await (window as unknown as Kept).publisher.getStats()).values()] as Record<string, unknown>[];
  return Number(stats.find(({ type, kind }) => type === 'outbound-rtp' && kind === 'video')?.['ssrc']);
}

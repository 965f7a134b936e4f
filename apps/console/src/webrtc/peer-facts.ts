import { StrainMeter } from './strain-meter.ts';

/** One line about a connection, for people. */
export interface PeerFact {
  readonly id: string;
  readonly label: string;
  readonly value: string;
  /** What it means, and what a bad value points to. */
  readonly about: string;
  /** True when the value is bad. */
  readonly troubled?: boolean;
}

type Entry = Readonly<Record<string, unknown>> & { readonly type: string; readonly id: string };

interface Sample {
  readonly atMs: number;
  readonly bytes: number;
  readonly packets: number;
  readonly lost: number;
  readonly videoPackets: number;
  readonly frames: number;
  readonly freezes: number;
  readonly frozenSeconds: number;
  /** Of the picture, and of the sound. */
  readonly buffers: readonly Buffered[];
}

/** Seconds that all frames or samples together waited, and how many those were. */
interface Buffered {
  readonly seconds: number;
  readonly emitted: number;
}

/** Above this share of lost packets people see and hear it, percent. */
const BAD_LOSS = 5;
/** Nothing for this long, and what is shown stands still. */
const SILENCE_MS = 3000;

/** Reads the browser's statistics of a connection and says the facts that explain trouble. */
export class PeerFacts {
  readonly #peer: RTCPeerConnection;
  readonly #direction: 'inbound' | 'outbound';
  #last: Sample | undefined;
  #waits: readonly (number | undefined)[] = [];
  #roundTripSeconds: number | undefined;
  #movedMs = performance.now();
  readonly #strainMeter = new StrainMeter();
  #strain = '';

  constructor(peer: RTCPeerConnection, direction: 'inbound' | 'outbound') {
    this.#peer = peer;
    this.#direction = direction;
  }

  /** Seconds from the server to the screen: half a round trip and the browser's buffer; undefined while unknown. */
  get delaySeconds(): number | undefined {
    const wait = this.#waits.find((seconds) => seconds !== undefined);
    return wait === undefined ? undefined : wait + (this.#roundTripSeconds ?? 0) / 2;
  }

  /** True while media move, judged by the calls of `read`. */
  get flows(): boolean {
    return performance.now() - this.#movedMs < SILENCE_MS;
  }

  /** Why the network is too bad for this connection, judged by the calls of `read`; empty when it is not. */
  get strain(): string {
    return this.#strain;
  }

  /**
   * The facts of this moment; rates are those since the call before.
   * @throws what the browser throws for a connection that is closed
   */
  async read(): Promise<readonly PeerFact[]> {
    const entries = [...(await this.#peer.getStats()).values()] as Entry[];
    const streams = entries.filter(({ type }) => type === `${this.#direction}-rtp`);
    const remote = entries.filter(({ type }) => type === 'remote-inbound-rtp');
    const pair = selectedPair(entries);
    const now = sampleOf(streams, remote);
    const last = this.#last;
    this.#last = now;
    if (now.packets > (last?.packets ?? 0)) this.#movedMs = now.atMs;
    this.#waits = waits(now, last);
    this.#roundTripSeconds = roundTripOf(pair, remote);
    this.#strain = this.#strainMeter.judge(now);
    return [
      { id: 'state', label: 'State', value: this.#peer.connectionState, about: 'Of the connection as a whole.' },
      codecFact(entries, streams),
      bitrateFact(now, last),
      lossFact(now, last),
      roundTripFact(this.#roundTripSeconds),
      ...(this.#direction === 'inbound' ? [delayFact(this.#waits)] : []),
      framesFact(now, last),
      ...pictureFacts(streams, this.#direction),
      pathFact(entries, pair),
    ];
  }
}

function selectedPair(entries: readonly Entry[]): Entry | undefined {
  const transport = entries.find(({ type }) => type === 'transport');
  const byTransport = entries.find(({ id }) => id === transport?.['selectedCandidatePairId']);
  return byTransport ?? entries.find((entry) => entry.type === 'candidate-pair' && entry['nominated'] === true);
}

function pathFact(entries: readonly Entry[], pair: Entry | undefined): PeerFact {
  const about =
    'Which address here talks to which address of the server. None: a firewall is in the way, or the address is wrong.';
  const end = (key: string): string => {
    const candidate = entries.find(({ id }) => id === pair?.[key]);
    if (candidate === undefined) return '?';
    const address = String(candidate['address'] ?? candidate['ip'] ?? 'hidden');
    const host = address.includes(':') ? `[${address}]` : address;
    return `${host}:${String(candidate['port'])} (${String(candidate['candidateType'])})`;
  };
  const protocol = entries.find(({ id }) => id === pair?.['localCandidateId'])?.['protocol'];
  const value =
    pair === undefined ? 'none yet' : `${end('localCandidateId')} → ${end('remoteCandidateId')}, ${protocol}`;
  return { id: 'path', label: 'Path', value, about };
}

function codecFact(entries: readonly Entry[], streams: readonly Entry[]): PeerFact {
  const names = streams.map(({ codecId }) => {
    const mime = entries.find(({ id }) => id === codecId)?.['mimeType'];
    return typeof mime === 'string' ? mime.replace(/^\w+\//, '') : undefined;
  });
  const value = names.filter((name) => name !== undefined).join(', ') || 'none yet';
  return { id: 'codecs', label: 'Codecs', value, about: 'What the two sides agreed on.' };
}

function sampleOf(streams: readonly Entry[], remote: readonly Entry[]): Sample {
  const video = streams.filter(({ kind }) => kind === 'video');
  const audio = streams.filter(({ kind }) => kind === 'audio');
  return {
    atMs: performance.now(),
    bytes: sum(streams, 'bytesReceived', 'bytesSent'),
    packets: sum(streams, 'packetsReceived', 'packetsSent'),
    lost: sum(streams, 'packetsLost') + sum(remote, 'packetsLost'),
    videoPackets: sum(video, 'packetsReceived', 'packetsSent'),
    frames: sum(video, 'framesDecoded', 'framesEncoded'),
    freezes: sum(video, 'freezeCount'),
    frozenSeconds: sum(video, 'totalFreezesDuration'),
    buffers: [video, audio].map((entries) => ({
      seconds: sum(entries, 'jitterBufferDelay'),
      emitted: sum(entries, 'jitterBufferEmittedCount'),
    })),
  };
}

/** Seconds that what was played since `last` had waited: the picture, and the sound; undefined for what was not played. */
function waits(now: Sample, last: Sample | undefined): readonly (number | undefined)[] {
  return now.buffers.map(({ seconds, emitted }, index) => {
    const before = last?.buffers[index] ?? { seconds: 0, emitted: 0 };
    return emitted > before.emitted ? (seconds - before.seconds) / (emitted - before.emitted) : undefined;
  });
}

function sum(entries: readonly Entry[], ...names: readonly string[]): number {
  return entries.reduce((total, entry) => total + names.reduce((part, name) => part + Number(entry[name] ?? 0), 0), 0);
}

/** How much a count grew a second; 0 for the first sample. */
function rate(now: Sample, last: Sample | undefined, key: 'bytes' | 'frames'): number {
  if (last === undefined || now.atMs <= last.atMs) return 0;
  return (Math.max(0, now[key] - last[key]) * 1000) / (now.atMs - last.atMs);
}

function bitrateFact(now: Sample, last: Sample | undefined): PeerFact {
  const kbits = (rate(now, last, 'bytes') * 8) / 1000;
  return {
    id: 'bitrate',
    label: 'Bit rate',
    value: `${kbits.toFixed(0)} kbit/s`,
    about: 'Of sound and picture together. Browsers begin low and send more within seconds, as the line allows.',
  };
}

function lossFact(now: Sample, last: Sample | undefined): PeerFact {
  const lost = Math.max(0, now.lost - (last?.lost ?? 0));
  const packets = now.packets - (last?.packets ?? 0);
  const share = lost === 0 ? 0 : (lost / (lost + packets)) * 100;
  return {
    id: 'loss',
    label: 'Loss',
    value: `${share.toFixed(1)} % (${now.lost} in all)`,
    about: `Packets that did not arrive. More than ${BAD_LOSS} % points to a bad Wi-Fi or a line that is too thin.`,
    troubled: share > BAD_LOSS,
  };
}

function framesFact(now: Sample, last: Sample | undefined): PeerFact {
  return {
    id: 'frames',
    label: 'Pictures',
    value: `${rate(now, last, 'frames').toFixed(0)}/s (${now.frames} in all)`,
    about: 'Decoded or encoded by this browser. None although packets come: it waits for a key frame.',
    troubled: last !== undefined && now.videoPackets > last.videoPackets && now.frames === last.frames,
  };
}

function roundTripOf(pair: Entry | undefined, remote: readonly Entry[]): number | undefined {
  const reported = remote.find((entry) => entry['roundTripTime'] !== undefined)?.['roundTripTime'];
  const seconds = Number(reported ?? pair?.['currentRoundTripTime'] ?? Number.NaN);
  return Number.isNaN(seconds) ? undefined : seconds;
}

function roundTripFact(seconds: number | undefined): PeerFact {
  return {
    id: 'rtt',
    label: 'Round trip',
    value: inMilliseconds(seconds),
    about: 'To the server and back, over the path below.',
  };
}

function delayFact([picture, sound]: readonly (number | undefined)[]): PeerFact {
  const parts = [
    ...(picture === undefined ? [] : [`${inMilliseconds(picture)} picture`]),
    ...(sound === undefined ? [] : [`${inMilliseconds(sound)} sound`]),
  ];
  return {
    id: 'delay',
    label: 'Buffer',
    value: parts.join(', ') || 'not known yet',
    about: 'How long the browser holds media back to play them evenly. It grows when packets come unevenly.',
  };
}

function inMilliseconds(seconds: number | undefined): string {
  return seconds === undefined ? 'not known yet' : `${(seconds * 1000).toFixed(0)} ms`;
}

function pictureFacts(streams: readonly Entry[], direction: 'inbound' | 'outbound'): PeerFact[] {
  const video = streams.find((entry) => entry['kind'] === 'video');
  if (video === undefined || video['frameWidth'] === undefined) return [];
  const size = { id: 'size', label: 'Size', value: `${String(video['frameWidth'])} × ${String(video['frameHeight'])}` };
  const limit = String(video['qualityLimitationReason'] ?? 'none');
  const about = 'Of the picture.';
  if (direction === 'inbound' || limit === 'none') return [{ ...size, about }];
  return [
    { ...size, about },
    {
      id: 'limit',
      label: 'Held down by',
      value: limit,
      about: '“bandwidth”: the line is too thin. “cpu”: this machine is too slow to encode more.',
    },
  ];
}

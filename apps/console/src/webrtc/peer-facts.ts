/** One line about a connection, for people. */
export interface PeerFact {
  readonly id: string;
  readonly label: string;
  readonly value: string;
  /** What it means, and what a bad value points to. */
  readonly about: string;
}

type Entry = Readonly<Record<string, unknown>> & { readonly type: string; readonly id: string };

interface Sample {
  readonly atMs: number;
  readonly bytes: number;
  readonly frames: number;
  readonly packets: number;
  readonly lost: number;
  readonly jitterDelay: number;
  readonly emitted: number;
}

/** Reads the browser's statistics of a connection and says the facts that explain trouble. */
export class PeerFacts {
  readonly #peer: RTCPeerConnection;
  readonly #direction: 'inbound' | 'outbound';
  #last: Sample | undefined;
  #delaySeconds: number | undefined;

  constructor(peer: RTCPeerConnection, direction: 'inbound' | 'outbound') {
    this.#peer = peer;
    this.#direction = direction;
  }

  /** Seconds that pictures, or sound, wait in the browser before they are played; undefined while unknown. */
  get delaySeconds(): number | undefined {
    return this.#delaySeconds;
  }

  /** The facts of this moment; rates are those since the call before. */
  async read(): Promise<readonly PeerFact[]> {
    const entries = [...(await this.#peer.getStats()).values()] as Entry[];
    const streams = entries.filter(({ type }) => type === `${this.#direction}-rtp`);
    const remote = entries.filter(({ type }) => type === 'remote-inbound-rtp');
    const pair = selectedPair(entries);
    const now = sampleOf(streams, remote);
    const last = this.#last;
    this.#last = now;
    if (last !== undefined && now.emitted > last.emitted)
      this.#delaySeconds = (now.jitterDelay - last.jitterDelay) / (now.emitted - last.emitted);
    return [
      { id: 'state', label: 'State', value: this.#peer.connectionState, about: 'Of the connection as a whole.' },
      pathFact(entries, pair),
      codecFact(entries, streams),
      ...rateFacts(now, last),
      roundTripFact(pair, remote),
      ...(this.#direction === 'inbound' ? [delayFact(this.#delaySeconds)] : []),
      ...pictureFacts(streams, this.#direction),
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
    'Which address here talks to which address of the server. None: UDP is blocked, or the address is wrong.';
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
  const sum = (entries: readonly Entry[], ...names: string[]): number =>
    entries.reduce((total, entry) => total + names.reduce((part, name) => part + Number(entry[name] ?? 0), 0), 0);
  return {
    atMs: performance.now(),
    bytes: sum(streams, 'bytesReceived', 'bytesSent'),
    frames: sum(streams, 'framesDecoded', 'framesEncoded'),
    packets: sum(streams, 'packetsReceived', 'packetsSent'),
    lost: sum(streams, 'packetsLost') + sum(remote, 'packetsLost'),
    jitterDelay: sum(streams, 'jitterBufferDelay'),
    emitted: sum(streams, 'jitterBufferEmittedCount'),
  };
}

function rateFacts(now: Sample, last: Sample | undefined): PeerFact[] {
  const seconds = last === undefined ? 0 : (now.atMs - last.atMs) / 1000;
  const rate = (difference: number): number => (seconds > 0 ? difference / seconds : 0);
  const kbits = (rate(now.bytes - (last?.bytes ?? 0)) * 8) / 1000;
  const lost = now.lost - (last?.lost ?? 0);
  const packets = now.packets - (last?.packets ?? 0);
  const share = lost + packets > 0 ? (Math.max(0, lost) / (lost + packets)) * 100 : 0;
  return [
    { id: 'bitrate', label: 'Bitrate', value: `${kbits.toFixed(0)} kbit/s`, about: 'Of sound and picture together.' },
    {
      id: 'loss',
      label: 'Loss',
      value: `${share.toFixed(1)} % (${now.lost} in all)`,
      about: 'Packets that did not arrive. Over 5 % points to a bad Wi-Fi or a line that is too thin.',
    },
    {
      id: 'frames',
      label: 'Pictures',
      value: `${rate(now.frames - (last?.frames ?? 0)).toFixed(0)} a second (${now.frames} in all)`,
      about: 'Decoded or encoded by this browser. None although packets come: no key frame has arrived.',
    },
  ];
}

function roundTripFact(pair: Entry | undefined, remote: readonly Entry[]): PeerFact {
  const seconds = remote.find((entry) => entry['roundTripTime'] !== undefined)?.['roundTripTime'];
  const value = Number(seconds ?? pair?.['currentRoundTripTime'] ?? Number.NaN) * 1000;
  return {
    id: 'rtt',
    label: 'Round trip',
    value: Number.isNaN(value) ? 'not known yet' : `${value.toFixed(0)} ms`,
    about: 'To the server and back.',
  };
}

function delayFact(seconds: number | undefined): PeerFact {
  return {
    id: 'delay',
    label: 'Buffer',
    value: seconds === undefined ? 'not known yet' : `${(seconds * 1000).toFixed(0)} ms`,
    about: 'How long the browser holds media back to play them evenly. It grows with the jitter of the network.',
  };
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

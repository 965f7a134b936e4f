import './embed.css';
import type { PlayPorts } from '../play-protocol.ts';
import { playTarget, waysToPlay } from '../play-ways.ts';
import { StreamPlayer } from '../stream-player.ts';
import { type StreamState, UNDECIDED } from '../stream-state.ts';
import { eventsBetween, reasons, tellParent } from './messages.ts';
import { type EmbedParams, readEmbedParams } from './params.ts';
import { EmbedView } from './view.ts';

/** What the server writes into the page, so that nothing has to be asked for before it plays. */
interface ServerFacts {
  readonly ports: PlayPorts;
  readonly snapshots: boolean;
}

/** Of a server that has written nothing: all is tried. */
const UNKNOWN: ServerFacts = {
  ports: {
    ...{ hls: 8082, hlsSecure: 8445, http: 8081, https: 8444 },
    ...{ webrtc: true, mse: true, lowLatencyHls: true, hlsLadder: true },
  },
  snapshots: true,
};

/** Wide enough for most screens; the server makes the next larger size that it has. */
const MAX_POSTER_WIDTH = 1280;

function serverFacts(): ServerFacts {
  const written = JSON.parse(document.getElementById('server')?.textContent ?? '{}') as Partial<ServerFacts>;
  return { ...UNKNOWN, ...written };
}

function posterAddress({ stream, custom }: EmbedParams): string {
  const width = Math.min(Math.ceil(window.innerWidth * window.devicePixelRatio), MAX_POSTER_WIDTH);
  const query = new URLSearchParams({ ...custom, width: String(width) });
  return `snapshot/${stream.split('/').map(encodeURIComponent).join('/')}.jpg?${query}`;
}

/** Plays what the address asks for, from the first picture on or from the first press of Play. */
class EmbedPage {
  readonly #params: EmbedParams;
  readonly #facts = serverFacts();
  readonly #view: EmbedView;
  #player: StreamPlayer | undefined;
  #state: StreamState = UNDECIDED;
  #hasPlayed = false;
  #isPausedByHand = false;

  constructor(root: HTMLElement, params: EmbedParams) {
    this.#params = params;
    const actions = { togglePlay: () => this.#togglePlay(), toggleMuted: () => this.#toggleMuted() };
    this.#view = new EmbedView(root, params, actions);
    if (params.poster && this.#facts.snapshots) this.#view.showPoster(posterAddress(params));
    if (params.autoplay) this.#play();
    else this.#view.offerStart();
  }

  #play(): void {
    const { stream: name, order, quality, picture, custom } = this.#params;
    const { ports } = this.#facts;
    // Of HLS the size is one of those that there are.
    const wished = quality || String(picture.height ?? '');
    this.#player = new StreamPlayer(
      this.#view.video,
      {
        streamName: name,
        ways: () => waysToPlay({ order, ports, page: location, stream: undefined, quality }),
        target: (way, calm) => playTarget(way, { name, ports, calm, quality: wished, picture, custom }),
        hasPicture: () => false,
      },
      (now) => this.#onState(now),
    );
  }

  #onState(now: StreamState): void {
    const before = this.#state;
    this.#state = now;
    const hadPlayed = this.#hasPlayed;
    if (now.phase === 'playing') this.#hasPlayed = true;
    for (const told of eventsBetween(before, now, hadPlayed)) tellParent(this.#params.stream, told);
    this.#view.show(now, this.#messageOf(now));
    // Browsers let pages play by themselves only without sound. What ran was paused by a key of the keyboard or the system.
    const isHeldBack = now.phase === 'paused' && before.phase === 'loading';
    if (isHeldBack && !this.#isPausedByHand && !this.#view.video.muted) queueMicrotask(() => this.#playMuted());
  }

  #playMuted(): void {
    this.#view.video.muted = true;
    this.#player?.togglePlay();
  }

  #messageOf(now: StreamState): string {
    const { phase, absent, message } = now;
    if (phase === 'playing') return '';
    const name = `“${this.#params.stream}”`;
    if (absent && this.#hasPlayed) return `${name} has ended. It goes on by itself when it comes back.`;
    if (absent) return `${name} is not live yet. It starts by itself.`;
    if (phase !== 'error' && phase !== 'waiting') return message;
    return reasons(now).join('\n');
  }

  #togglePlay(): void {
    if (this.#player === undefined) return this.#play();
    this.#isPausedByHand = !this.#view.video.paused;
    this.#player.togglePlay();
  }

  #toggleMuted(): void {
    if (this.#player !== undefined) this.#player.toggleMuted();
    else this.#view.video.muted = !this.#view.video.muted;
  }
}

function start(root: HTMLElement): void {
  const params = readEmbedParams(location.search, location.hostname);
  if (typeof params !== 'string') {
    document.title = params.stream;
    new EmbedPage(root, params);
    return;
  }
  const message = document.createElement('p');
  message.className = 'message';
  message.dataset['testid'] = 'embed-message';
  message.setAttribute('role', 'alert');
  message.textContent = params;
  root.dataset['state'] = 'error';
  root.append(message);
  tellParent('', { event: 'error', message: params });
}

const root = document.getElementById('embed');
if (root !== null) start(root);

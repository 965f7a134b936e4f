import { protocolName } from '../play-protocol.ts';
import type { StreamState } from '../stream-state.ts';
import type { EmbedParams } from './params.ts';

/** What a viewer may do. */
export interface ViewActions {
  togglePlay(): void;
  toggleMuted(): void;
}

/** The elements of an embedded page; shows what it is told and nothing else. */
export class EmbedView {
  readonly video: HTMLVideoElement;
  readonly #root: HTMLElement;
  readonly #poster = document.createElement('img');
  readonly #message = element('p', 'message');
  readonly #start = button('start', 'Play');
  readonly #unmute = button('unmute', 'Unmute');
  readonly #play = button('play', 'Pause');
  readonly #mute = button('mute', 'Unmute');
  readonly #full = button('full', 'Full screen');
  readonly #about = element('span', 'about');

  constructor(root: HTMLElement, params: EmbedParams, actions: ViewActions) {
    this.#root = root;
    this.video = document.createElement('video');
    this.video.playsInline = true;
    this.video.muted = params.muted;
    this.video.setAttribute('aria-label', `Live video of ${params.stream}`);
    this.video.dataset['testid'] = 'embed-video';
    this.#poster.alt = '';
    this.#poster.hidden = true;
    this.#message.setAttribute('role', 'status');
    this.#message.hidden = true;
    this.#unmute.hidden = true;
    this.#start.hidden = true;
    root.dataset['fit'] = params.fit;
    root.append(this.video, this.#poster, this.#message, this.#start, this.#unmute);
    if (params.controls) root.append(this.#controls());
    this.#listen(actions);
  }

  /** Shows a picture until there is a moving one; none when it can't be had. */
  showPoster(url: string): void {
    this.#poster.addEventListener('load', () => {
      if (this.#root.dataset['state'] !== 'playing') this.#poster.hidden = false;
    });
    this.#poster.src = url;
  }

  /** Offers to begin, where nothing begins by itself. */
  offerStart(): void {
    this.#root.dataset['state'] = 'idle';
    this.#start.hidden = false;
  }

  /** Shows why nothing plays. */
  fail(message: string): void {
    this.#root.dataset['state'] = 'error';
    this.#say(message);
  }

  /** Shows a state of the player; `message` is what viewers read. */
  show(state: StreamState, message: string): void {
    const isPlaying = state.phase === 'playing' || state.phase === 'buffering';
    this.#root.dataset['state'] = state.phase;
    this.#root.dataset['protocol'] = state.protocol ?? '';
    if (isPlaying) this.#poster.hidden = true;
    this.#start.hidden = state.phase !== 'paused';
    this.#unmute.hidden = !(isPlaying && state.muted);
    this.#play.textContent = isPlaying ? 'Pause' : 'Play';
    this.#play.disabled = !isPlaying && state.phase !== 'paused';
    this.#mute.textContent = state.muted ? 'Unmute' : 'Mute';
    this.#mute.setAttribute('aria-pressed', String(state.muted));
    this.#about.textContent = isPlaying ? aboutOf(state) : '';
    this.#about.title = state.choice;
    this.#say(message);
  }

  #say(message: string): void {
    // The same words again would be read out again.
    if (this.#message.textContent !== message) this.#message.textContent = message;
    this.#message.hidden = message === '';
  }

  #controls(): HTMLElement {
    const bar = element('div', 'controls');
    bar.append(this.#play, this.#mute, this.#about);
    if (document.fullscreenEnabled) bar.append(this.#full);
    return bar;
  }

  #listen({ togglePlay, toggleMuted }: ViewActions): void {
    this.#start.addEventListener('click', togglePlay);
    this.#play.addEventListener('click', togglePlay);
    this.#mute.addEventListener('click', toggleMuted);
    this.#unmute.addEventListener('click', toggleMuted);
    this.#full.addEventListener('click', () => {
      const change = document.fullscreenElement === null ? this.#root.requestFullscreen() : document.exitFullscreen();
      // Frames may be forbidden to.
      change.catch(() => undefined);
    });
  }
}

function aboutOf({ protocol, delaySeconds }: StreamState): string {
  const name = protocol === undefined ? '' : protocolName(protocol);
  if (delaySeconds === undefined) return name;
  const delay = delaySeconds < 1 ? `${Math.round(delaySeconds * 1000)} ms` : `${delaySeconds.toFixed(1)} s`;
  return `${name}, ${delay} behind`;
}

function element(tag: string, name: string): HTMLElement {
  const made = document.createElement(tag);
  made.className = name;
  made.dataset['testid'] = `embed-${name}`;
  return made;
}

function button(name: string, label: string): HTMLButtonElement {
  const made = element('button', name) as HTMLButtonElement;
  made.type = 'button';
  made.textContent = label;
  return made;
}

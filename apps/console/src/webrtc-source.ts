import type { PlayerSource, SourceEvents, SourceTarget } from './player-source.ts';
import { ExchangeError, endSession, exchange, whenServerCloses } from './webrtc/exchange.ts';
import { iceServersOf, useIceServers } from './webrtc/ice-servers.ts';
import { type PeerFact, PeerFacts } from './webrtc/peer-facts.ts';

/** A connection whose picture has not begun by then plays its sound alone: the element would wait for both. */
const PICTURE_MS = 2000;
/** A connection that has found no way by then begins anew with the help of TURN servers, which others don't burden. */
const WAY_MS = 2000;

/** Plays a WHEP address with the least delay there is. */
export function openWebRtc(
  video: HTMLVideoElement,
  { url }: SourceTarget,
  events: SourceEvents,
): PlayerSource | undefined {
  if (typeof RTCPeerConnection === 'function') return new WebRtcSource(video, url, events);
  events.impossible('This browser has no WebRTC. Choose HLS instead.');
  return undefined;
}

class WebRtcSource implements PlayerSource {
  readonly #video: HTMLVideoElement;
  readonly #url: string;
  readonly #events: SourceEvents;
  #session:
    | { readonly peer: RTCPeerConnection; readonly facts: PeerFacts; readonly aborter: AbortController }
    | undefined;
  #resource: string | undefined;
  #flowed = true;
  /** Servers that help to find a way; undefined while none were needed. */
  #iceServers: RTCIceServer[] | undefined;
  readonly #onPageHide = (): void => this.#stop();
  /** A page that comes back from the browser's memory goes on with what is live then. */
  readonly #onPageShow = ({ persisted }: PageTransitionEvent): void => {
    if (persisted) this.reload();
  };

  constructor(video: HTMLVideoElement, url: string, events: SourceEvents) {
    this.#video = video;
    this.#url = url;
    this.#events = events;
    window.addEventListener('pagehide', this.#onPageHide);
    window.addEventListener('pageshow', this.#onPageShow);
    this.reload();
  }

  reload(): void {
    this.#stop();
    const peer = new RTCPeerConnection();
    useIceServers(peer, this.#iceServers ?? []);
    const aborter = new AbortController();
    this.#flowed = true;
    this.#session = { peer, facts: new PeerFacts(peer, 'inbound'), aborter };
    const stream = new MediaStream();
    peer.addTransceiver('audio', { direction: 'recvonly' });
    peer.addTransceiver('video', { direction: 'recvonly' });
    peer.addEventListener('track', ({ track }) => {
      stream.addTrack(track);
      this.#video.srcObject = stream;
      if (track.kind === 'video')
        track.addEventListener('unmute', () => this.#show(stream), { signal: aborter.signal });
    });
    peer.addEventListener('connectionstatechange', () => {
      this.#onState(peer);
      if (peer.connectionState === 'connected') this.#playSoundAlone(stream, aborter.signal);
    });
    void this.#begin(peer, aborter.signal);
  }

  pause(): void {
    this.#stop();
  }

  resume(): void {
    this.reload();
  }

  delaySeconds(): number | undefined {
    return this.#session?.facts.delaySeconds;
  }

  async facts(): Promise<readonly PeerFact[]> {
    const session = this.#session;
    if (session === undefined) return [];
    const facts = await session.facts.read();
    if (session !== this.#session) return [];
    this.#tellFlow(session.facts.flows);
    return facts;
  }

  strain(): string {
    return this.#session?.facts.strain ?? '';
  }

  close(): void {
    window.removeEventListener('pagehide', this.#onPageHide);
    window.removeEventListener('pageshow', this.#onPageShow);
    this.#stop();
    this.#video.srcObject = null;
  }

  async #begin(peer: RTCPeerConnection, signal: AbortSignal): Promise<void> {
    try {
      const resource = await exchange(peer, this.#url, signal);
      if (signal.aborted) return await endSession(peer, resource);
      this.#resource = resource;
      whenServerCloses(peer, () => this.#onServerClosed(peer));
      this.#seekHelp(peer, signal);
    } catch (error) {
      if (signal.aborted) return;
      const status = error instanceof ExchangeError ? error.status : -1;
      const message = error instanceof Error ? error.message : String(error);
      if (status === 406) this.#events.impossible(`Not playable by WebRTC. ${message} Choose HLS or FLV.`);
      else if (status === 404) this.#events.failed('The server does not have this stream. Trying again…', 'absent');
      else this.#events.failed(`${message} Trying again…`, 'trouble');
    }
  }

  /** Begins anew, once, with servers that help to find a way when the connection finds none by itself. */
  #seekHelp(peer: RTCPeerConnection, signal: AbortSignal): void {
    if (this.#iceServers !== undefined) return;
    const timer = window.setTimeout(() => {
      if (isConnected(peer)) return;
      void iceServersOf(this.#url).then((servers) => {
        if (signal.aborted || isConnected(peer) || servers.length === 0) return;
        this.#iceServers = servers;
        // The element would take the end of its tracks for the beginning of something to play.
        this.#video.srcObject = null;
        this.reload();
      });
    }, WAY_MS);
    signal.addEventListener('abort', () => window.clearTimeout(timer), { once: true });
  }

  /** Plays the sound without a picture that does not begin, until it does. */
  #playSoundAlone(stream: MediaStream, signal: AbortSignal): void {
    const isSilent = ({ muted }: MediaStreamTrack): boolean => muted;
    const timer = window.setTimeout(() => {
      const sound = stream.getAudioTracks();
      if (!sound.every(isSilent) && stream.getVideoTracks().every(isSilent)) this.#show(new MediaStream(sound));
    }, PICTURE_MS);
    signal.addEventListener('abort', () => window.clearTimeout(timer), { once: true });
  }

  #show(stream: MediaStream): void {
    if (this.#video.srcObject === stream) return;
    this.#video.srcObject = stream;
    this.#events.ready();
  }

  #onServerClosed(peer: RTCPeerConnection): void {
    if (peer !== this.#session?.peer) return;
    this.#resource = undefined;
    this.#events.failed('The stream has ended. Waiting for it to come back…', 'absent');
  }

  /** The connection stands while the publisher is away for a moment, and the element notices nothing. */
  #tellFlow(flows: boolean): void {
    if (flows === this.#flowed) return;
    this.#flowed = flows;
    if (flows) this.#events.resumed();
    else this.#events.starved();
  }

  #onState(peer: RTCPeerConnection): void {
    if (peer !== this.#session?.peer) return;
    if (peer.connectionState === 'connected') this.#events.ready();
    else if (peer.connectionState === 'failed')
      this.#events.failed(
        'No way to the server was found: a firewall may be in it, or its address wrong. Trying again…',
        'trouble',
      );
    else if (peer.connectionState === 'disconnected')
      this.#events.failed('The connection is interrupted. Trying again…', 'trouble');
  }

  #stop(): void {
    const session = this.#session;
    if (session === undefined) return;
    session.aborter.abort();
    void endSession(session.peer, this.#resource);
    this.#session = undefined;
    this.#resource = undefined;
  }
}

function isConnected({ connectionState }: RTCPeerConnection): boolean {
  return connectionState === 'connected';
}

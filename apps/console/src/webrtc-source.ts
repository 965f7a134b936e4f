import type { PlayerSource, SourceEvents } from './player-source.ts';
import { ExchangeError, endSession, exchange } from './webrtc/exchange.ts';
import { type PeerFact, PeerFacts } from './webrtc/peer-facts.ts';

/** Plays a WHEP address with the least delay there is. */
export function openWebRtc(video: HTMLVideoElement, url: string, events: SourceEvents): PlayerSource | undefined {
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

  constructor(video: HTMLVideoElement, url: string, events: SourceEvents) {
    this.#video = video;
    this.#url = url;
    this.#events = events;
    this.reload();
  }

  reload(): void {
    this.#stop();
    const peer = new RTCPeerConnection();
    const aborter = new AbortController();
    this.#session = { peer, facts: new PeerFacts(peer, 'inbound'), aborter };
    const stream = new MediaStream();
    peer.addTransceiver('audio', { direction: 'recvonly' });
    peer.addTransceiver('video', { direction: 'recvonly' });
    peer.addEventListener('track', ({ track }) => {
      stream.addTrack(track);
      this.#video.srcObject = stream;
    });
    peer.addEventListener('connectionstatechange', () => this.#onState(peer));
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
    return (await this.#session?.facts.read()) ?? [];
  }

  close(): void {
    this.#stop();
    this.#video.srcObject = null;
  }

  async #begin(peer: RTCPeerConnection, signal: AbortSignal): Promise<void> {
    try {
      const resource = await exchange(peer, this.#url, signal);
      if (signal.aborted) endSession(resource);
      else this.#resource = resource;
    } catch (error) {
      if (signal.aborted) return;
      const status = error instanceof ExchangeError ? error.status : -1;
      const message = error instanceof Error ? error.message : String(error);
      if (status === 406) this.#events.impossible(`Not playable by WebRTC: ${message}`);
      else if (status === 404) this.#events.failed('The server does not have this stream. Trying again…');
      else this.#events.failed(`${message} Trying again…`);
    }
  }

  #onState(peer: RTCPeerConnection): void {
    if (peer !== this.#session?.peer) return;
    if (peer.connectionState === 'connected') this.#events.ready();
    else if (peer.connectionState === 'failed')
      this.#events.failed('No way to the server was found: UDP may be blocked, or its address wrong. Trying again…');
    else if (peer.connectionState === 'disconnected' || peer.connectionState === 'closed')
      this.#events.failed('The connection ended. Trying again…');
  }

  #stop(): void {
    this.#session?.aborter.abort();
    this.#session?.peer.close();
    this.#session = undefined;
    endSession(this.#resource);
    this.#resource = undefined;
  }
}

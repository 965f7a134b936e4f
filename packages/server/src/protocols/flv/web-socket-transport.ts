import { type Upgrade, WebSocketViewer, type WebSocketViewerParts } from '../../io/index.ts';
import type { Answerer } from './answer.ts';
import type { Refusal } from './request.ts';
import type { Transport } from './transport.ts';

/** What the owner of all WebSocket viewers shares with each. */
export interface WebSocketParts extends WebSocketViewerParts {
  readonly answer: Answerer;
}

/** A viewer by WebSocket: each write is one binary message. What the viewer says is ignored. */
export class WebSocketTransport extends WebSocketViewer implements Transport {
  readonly mediaProvider = 'WS-FLV';
  readonly #upgrade: Upgrade;
  readonly #answer: Answerer;

  constructor(upgrade: Upgrade, parts: WebSocketParts) {
    super(upgrade, parts);
    this.#upgrade = upgrade;
    this.#answer = parts.answer;
  }

  refuse(refusal: Refusal): void {
    const { request, socket } = this.#upgrade;
    if (socket.writable) this.#answer.refuseUpgrade(request, socket, refusal);
    else socket.destroy();
  }
}

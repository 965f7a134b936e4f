import type { IncomingMessage, ServerResponse } from 'node:http';
import type { FanOutSink } from '../../core/index.ts';
import { LINGER_MS, socketSink } from '../../io/index.ts';
import type { Answerer } from './answer.ts';
import type { Refusal } from './request.ts';
import type { Transport } from './transport.ts';

/** A viewer by plain HTTP: the body of the answer is the FLV stream. */
export class HttpTransport implements Transport {
  readonly mediaProvider = 'HTTP-FLV';
  readonly request: IncomingMessage;
  onGone: (reason: string) => void = () => {};
  readonly #response: ServerResponse;
  readonly #answer: Answerer;
  #streaming = false;

  constructor(response: ServerResponse, answer: Answerer) {
    this.#response = response;
    this.#answer = answer;
    this.request = response.req;
    response.on('error', () => this.destroy());
    response.once('close', () => {
      if (!this.#streaming) this.onGone('viewer left');
    });
  }

  refuse(refusal: Refusal): void {
    this.#answer.refuse(this.#response, refusal);
  }

  open(): FanOutSink | undefined {
    const response = this.#response;
    const { socket } = this.request;
    if (response.destroyed || !socket.writable) return undefined;
    this.#answer.begin(response);
    if (this.request.method === 'HEAD') {
      response.end();
      return undefined;
    }
    response.flushHeaders();
    this.#streaming = true;
    socket.once('close', () => this.onGone('viewer left'));
    // Who ends its side reads no more, and Node would end ours under our hands.
    socket.once('end', () => this.destroy());
    return socketSink(socket);
  }

  check(): undefined {}

  end(): void {
    this.#response.end();
    setTimeout(() => this.destroy(), LINGER_MS).unref();
  }

  destroy(): void {
    this.#response.destroy();
  }
}

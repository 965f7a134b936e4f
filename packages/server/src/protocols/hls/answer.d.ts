import type { IncomingMessage, ServerResponse } from 'node:http';
import type { HlsOptions } from './options.ts';
/** Writes the server's answers, all with the headers that pages of other origins need. */
export declare class Answerer {
  #private;
  constructor(options: Pick<HlsOptions, 'extraHeaders'>);
  /** Answers a CORS preflight (Fetch standard §3.2.2). */
  preflight(response: ServerResponse): void;
  /** Answers with an error that tells in words what to do. Never cached for longer than a second. */
  fail(
    response: ServerResponse,
    failure: {
      status: number;
      code: string;
      message: string;
    },
  ): void;
  /** Sends a playlist; gives the bytes of its body. */
  playlist(response: ServerResponse, text: string): number;
  /** Sends a segment or a single range of it (RFC 9110 §14); gives the bytes of the body. */
  media(
    request: IncomingMessage,
    response: ServerResponse,
    media: {
      body: Uint8Array;
      type: string;
    },
  ): number;
}
//# sourceMappingURL=answer.d.ts.map

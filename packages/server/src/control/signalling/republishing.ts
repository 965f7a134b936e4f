import type { Relays } from '../../core/index.ts';
import type { ClientLink } from './client-link.ts';

/** A stream that is sent on to the `rtmpUrl` of its publisher (websdk-signalling.md §5.2) until it is disposed of. */
export class Republishing implements Disposable {
  readonly #relays: Pick<Relays, 'push' | 'end'>;
  #mediaSessionId: string | undefined;
  #over = false;

  /** What goes wrong is said to the client as a warning, which ends nothing. */
  constructor(relays: Pick<Relays, 'push' | 'end'>, stream: { streamName: string; url: string; link: ClientLink }) {
    this.#relays = relays;
    const { streamName, url, link } = stream;
    relays.push({ streamName, url, appKey: link.appKey, origin: 'publisher' }).then(
      ({ mediaSessionId }) => {
        this.#mediaSessionId = mediaSessionId;
        if (this.#over) this.#end();
      },
      (error: unknown) => {
        const why = error instanceof Error ? error.message : String(error);
        link.send('fail', { apiMethod: 'publishStream', info: `Republishing to rtmpUrl failed: ${why}` });
      },
    );
  }

  [Symbol.dispose](): void {
    this.#over = true;
    this.#end();
  }

  #end(): void {
    const id = this.#mediaSessionId;
    if (id !== undefined) this.#relays.end((relay) => relay.mediaSessionId === id, 'its publisher stops');
  }
}

/** How long it takes at most until the first candidates of this browser are known. */
const GATHERING_MS = 500;

/** An error that people can read, with the status of the server's answer; 0 when there was none. */
export class ExchangeError extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/**
 * Sends this browser's offer to a WHIP or WHEP address and applies the answer. Gives the address of the session, by
 * which it is ended.
 * @throws ExchangeError with what the server said
 */
export async function exchange(peer: RTCPeerConnection, url: string, signal: AbortSignal): Promise<string> {
  await peer.setLocalDescription();
  await gathered(peer);
  let response: Response;
  try {
    response = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/sdp' },
      body: peer.localDescription?.sdp ?? '',
      signal,
    });
  } catch (error) {
    throw new ExchangeError(0, `The server could not be reached: ${error instanceof Error ? error.message : error}.`);
  }
  const text = await response.text();
  if (response.status !== 201) throw new ExchangeError(response.status, messageOf(text) ?? `status ${response.status}`);
  await peer.setRemoteDescription({ type: 'answer', sdp: text });
  return new URL(response.headers.get('location') ?? '', url).href;
}

/** Tells the server that the session is over; also while the page is being closed. */
export function endSession(resource: string | undefined): void {
  if (resource !== undefined) void fetch(resource, { method: 'DELETE', keepalive: true }).catch(() => undefined);
}

/** The server learns where we are from our checks, so nobody waits for slow candidates. */
function gathered(peer: RTCPeerConnection): Promise<void> {
  if (peer.iceGatheringState === 'complete') return Promise.resolve();
  return new Promise((resolve) => {
    const timer = window.setTimeout(resolve, GATHERING_MS);
    peer.addEventListener('icecandidate', () => {
      window.clearTimeout(timer);
      resolve();
    });
  });
}

function messageOf(text: string): string | undefined {
  try {
    const { message } = JSON.parse(text) as { message?: unknown };
    return typeof message === 'string' ? message : undefined;
  } catch {
    return undefined;
  }
}

/** How long it takes at most until the first candidates of this browser are known. */
const GATHERING_MS = 500;
/** A server that is gone does not keep a connection open for longer. */
const DELETE_MS = 2000;

/** An error that people can read, with the status of the server's answer; 0 when there was none. */
export class ExchangeError extends Error {
  readonly status: number;

  constructor(status: number, message: string, options?: ErrorOptions) {
    super(message, options);
    this.status = status;
  }
}

/**
 * Sends this browser's offer to a WHIP or WHEP address and applies the answer. Gives the address of the session, by
 * which it is ended; a session whose answer could not be used is ended already.
 * @throws ExchangeError with what the server said, in whole sentences
 */
export async function exchange(peer: RTCPeerConnection, url: string, signal: AbortSignal): Promise<string | undefined> {
  await peer.setLocalDescription();
  await gathered(peer);
  const response = await post(url, peer.localDescription?.sdp ?? '', signal);
  const location = response.headers.get('location');
  const resource = location === null ? undefined : new URL(location, url).href;
  try {
    const text = await response.text();
    if (response.status !== 201) throw new ExchangeError(response.status, messageOf(text, response.status));
    await peer.setRemoteDescription({ type: 'answer', sdp: text });
    return resource;
  } catch (error) {
    void endSession(peer, resource);
    throw error;
  }
}

/**
 * Calls `onClosed` once when the server ends the connection by DTLS. Browsers keep that from `connectionState` until
 * their own checks fail, seconds later.
 */
export function whenServerCloses(peer: RTCPeerConnection, onClosed: () => void): void {
  // One transport carries all media.
  const [{ sender, receiver } = {}] = peer.getTransceivers();
  const transport = sender?.transport ?? receiver?.transport;
  transport?.addEventListener('statechange', () => {
    if (transport.state === 'closed' && peer.connectionState !== 'closed') onClosed();
  });
}

/** Ends a session and its connection; also while the page is being closed. Resolves when that is done, never fails. */
export async function endSession(peer: RTCPeerConnection, resource: string | undefined): Promise<void> {
  // The connection goes last: the server ends the session with it, and would not know what is deleted then.
  if (resource !== undefined) {
    const signal = AbortSignal.timeout(DELETE_MS);
    await fetch(resource, { method: 'DELETE', keepalive: true, signal }).catch(() => undefined);
  }
  peer.close();
}

async function post(url: string, sdp: string, signal: AbortSignal): Promise<Response> {
  try {
    return await fetch(url, { method: 'POST', headers: { 'content-type': 'application/sdp' }, body: sdp, signal });
  } catch (error) {
    throw new ExchangeError(0, 'The server can not be reached.', { cause: error });
  }
}

/** The server learns where we are from our checks, so nobody waits for slow candidates. */
function gathered(peer: RTCPeerConnection): Promise<void> {
  if (peer.iceGatheringState === 'complete') return Promise.resolve();
  return new Promise((resolve) => {
    const timer = window.setTimeout(resolve, GATHERING_MS);
    const onCandidate = (): void => {
      window.clearTimeout(timer);
      resolve();
    };
    peer.addEventListener('icecandidate', onCandidate, { once: true });
  });
}

/** What the server says, as a sentence. A proxy may have answered in its place. */
function messageOf(text: string, status: number): string {
  try {
    const { message } = JSON.parse(text) as { message?: unknown };
    if (typeof message === 'string') return `${message.charAt(0).toUpperCase()}${message.slice(1).replace(/\.$/, '')}.`;
  } catch {
    // Not an answer of ours.
  }
  return `The server answered ${status}.`;
}

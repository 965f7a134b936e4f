/** Who does not answer by then has no servers to tell. */
const ANSWER_MS = 2000;

/**
 * Servers that help the browser to find a way, as a WHIP or WHEP address tells them (RFC 9725 §4.6). Never fails: most
 * browsers need none of them.
 */
export async function iceServersOf(url: string): Promise<RTCIceServer[]> {
  try {
    const response = await fetch(url, { method: 'OPTIONS', signal: AbortSignal.timeout(ANSWER_MS) });
    return readLinks(response.headers.get('link') ?? '');
  } catch {
    return [];
  }
}

/** Has a connection use those of the servers that this browser can read: one that it can't would keep it from all others. */
export function useIceServers(peer: RTCPeerConnection, servers: readonly RTCIceServer[]): void {
  const iceServers: RTCIceServer[] = [];
  for (const server of servers) {
    try {
      peer.setConfiguration({ iceServers: [...iceServers, server] });
      iceServers.push(server);
    } catch {
      // Not for this browser.
    }
  }
}

/** The ICE servers among the links of a header (RFC 8288 §3). */
export function readLinks(header: string): RTCIceServer[] {
  return [...header.matchAll(/<([^>]+)>((?:\s*;\s*[\w-]+="[^"]*")*)/g)].flatMap(([, url = '', text = '']) => {
    const parameters = new Map(
      [...text.matchAll(/([\w-]+)="([^"]*)"/g)].map(([, name = '', value = '']) => [name, value]),
    );
    if (parameters.get('rel') !== 'ice-server') return [];
    const [username, credential] = [parameters.get('username'), parameters.get('credential')];
    return username === undefined || credential === undefined ? { urls: url } : { urls: url, username, credential };
  });
}

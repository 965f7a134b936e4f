import type { IncomingMessage, Server } from 'node:http';
import type { Duplex } from 'node:stream';
import { TLSSocket } from 'node:tls';
import { errorBody } from './error-body.ts';
import type { MountedProtocols } from './mounted-protocols.ts';

/** Headers that only concern the connection's change of protocol. */
const UPGRADE_HEADERS: ReadonlySet<string> = new Set(['upgrade', 'http2-settings']);

/**
 * Answers requests for an upgrade: WebSockets under a mount go to the mount, others are refused with 404. Any other
 * upgrade, such as the `h2c` that Java's HTTP client proposes with its first request, is not taken: the request is
 * answered as if it had not been proposed (RFC 9110 §7.8).
 */
export function handleUpgrades(server: Server, mounts: MountedProtocols): void {
  server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    const toWebSocket = request.headers.upgrade?.trim().toLowerCase() === 'websocket';
    if (!toWebSocket) return replayWithoutUpgrade(server, request, { socket, head });
    if (!mounts.upgrade(request, socket, head)) refuse(request, socket);
  });
}

function refuse(request: IncomingMessage, socket: Duplex): void {
  const body = JSON.stringify(errorBody(404, 'there is no WebSocket at this path', request.url ?? ''));
  const headers = [
    'HTTP/1.1 404 Not Found',
    'content-type: application/json; charset=utf-8',
    `content-length: ${Buffer.byteLength(body)}`,
    'connection: close',
  ];
  // A peer that leaves while it is being refused must not end the process.
  socket.on('error', () => socket.destroy());
  socket.once('finish', () => socket.destroy());
  socket.end(`${headers.join('\r\n')}\r\n\r\n${body}`);
}

/**
 * Node hands a connection over as soon as an upgrade is proposed by anyone, and can't be told that it is not wanted
 * (before Node 24.9): so the request is put back in front of the connection's bytes, without the proposal.
 */
function replayWithoutUpgrade(
  server: Server,
  request: IncomingMessage,
  { socket, head }: { readonly socket: Duplex; readonly head: Buffer },
): void {
  const lines = [`${request.method} ${request.url} HTTP/${request.httpVersion}`];
  for (let i = 0; i < request.rawHeaders.length; i += 2) {
    const name = request.rawHeaders[i] ?? '';
    const value = request.rawHeaders[i + 1] ?? '';
    const lowerName = name.toLowerCase();
    if (UPGRADE_HEADERS.has(lowerName)) continue;
    if (lowerName !== 'connection') lines.push(`${name}: ${value}`);
    else if (/\bclose\b/i.test(value)) lines.push('connection: close');
  }
  socket.unshift(Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1'), head]));
  // What a server of HTTPS calls a connection is still encrypted.
  server.emit(socket instanceof TLSSocket ? 'secureConnection' : 'connection', socket);
}

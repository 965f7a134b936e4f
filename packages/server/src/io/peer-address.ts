import type { Socket } from 'node:net';

/** An address as people write it: an IPv4 peer of a dual-stack listener comes as `::ffff:1.2.3.4`. */
export function plainAddress(address: string | undefined): string {
  return (address ?? '').replace(/^::ffff:/, '');
}

/** WCS's name of a connection: `/<client ip>:<port>/<server ip>:<port>`. */
export function connectionName(
  socket: Pick<Socket, 'remoteAddress' | 'remotePort' | 'localAddress' | 'localPort'>,
): string {
  const { remoteAddress, remotePort = 0, localAddress, localPort = 0 } = socket;
  return `/${plainAddress(remoteAddress)}:${remotePort}/${plainAddress(localAddress)}:${localPort}`;
}

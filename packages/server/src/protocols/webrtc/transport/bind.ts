import { MediaServerError } from '../../../core/index.ts';
import { familyOf, type IpFamily } from './candidates.ts';

/** What the system says on a machine without IPv6. */
const NO_SUCH_FAMILY: readonly string[] = ['EAFNOSUPPORT', 'EADDRNOTAVAIL', 'EINVAL', 'EPROTONOSUPPORT'];
/** Times to look for a port that is free for both families. */
const MAX_ATTEMPTS = 20;

/** A UDP port that is to be opened. */
export interface BoundSocket {
  readonly port: number;
  /** Rejects with the system's error, after which nothing is open. */
  bind(address: string, port: number): Promise<void>;
  close(): Promise<void>;
}

export interface BindOptions<Socket extends BoundSocket> {
  readonly port: number;
  readonly bindAddress: string | undefined;
  createSocket(family: IpFamily): Socket;
  /** Opens what is to have the same number; after that the sockets are closed when it fails. Default: nothing is. */
  bindTwin?(sockets: readonly Socket[]): Promise<void>;
}

/**
 * Opens one port for IPv4 and IPv6, or for one address. A machine without IPv6 does with IPv4.
 * @throws MediaServerError PORT_IN_USE; nothing is left open then
 */
export async function bindSockets<Socket extends BoundSocket>(options: BindOptions<Socket>): Promise<Socket[]> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await bindBoth(options);
    } catch (cause) {
      const code = codeOf(cause);
      if (code === 'EADDRINUSE' && options.port === 0 && attempt < MAX_ATTEMPTS) continue;
      const why = code === 'EADDRINUSE' ? 'is in use by another program' : `can not be opened (${code})`;
      const place = `${options.bindAddress ?? ''}:${options.port}`;
      const [kind, advice] =
        cause instanceof TwinError ? ['TCP', ': free it, or set ice_tcp_enabled=false'] : ['UDP', ''];
      throw new MediaServerError('PORT_IN_USE', `${kind} port ${place} for WebRTC ${why}${advice}`, { cause });
    }
  }
}

async function bindOnce<Socket extends BoundSocket>(o: BindOptions<Socket>): Promise<Socket[]> {
  if (o.bindAddress !== undefined) {
    const only = o.createSocket(familyOf(o.bindAddress) ?? 'IPv4');
    await only.bind(o.bindAddress, o.port);
    return [only];
  }
  const ipv4 = o.createSocket('IPv4');
  await ipv4.bind('0.0.0.0', o.port);
  const ipv6 = o.createSocket('IPv6');
  try {
    await ipv6.bind('::', ipv4.port);
  } catch (error) {
    if (NO_SUCH_FAMILY.includes(codeOf(error))) return [ipv4];
    await ipv4.close();
    throw error;
  }
  return [ipv4, ipv6];
}

/** The UDP port is open, but not what is to have its number. */
class TwinError extends Error {
  readonly code: string;

  constructor(cause: unknown) {
    super('the port of the same number could not be opened', { cause });
    this.code = codeOf(cause);
  }
}

async function bindBoth<Socket extends BoundSocket>(options: BindOptions<Socket>): Promise<Socket[]> {
  const sockets = await bindOnce(options);
  try {
    await options.bindTwin?.(sockets);
    return sockets;
  } catch (cause) {
    await Promise.all(sockets.map((socket) => socket.close()));
    throw new TwinError(cause);
  }
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : 'unknown';
}

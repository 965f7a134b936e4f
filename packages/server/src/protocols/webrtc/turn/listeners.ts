import { isIPv6 } from 'node:net';
import { MediaServerError } from '../../../core/index.ts';
import type { StreamListener } from './stream-listener.ts';
import type { UdpListener } from './udp-listener.ts';

/** What the system says on a machine without IPv6. */
const NO_SUCH_FAMILY: readonly string[] = ['EAFNOSUPPORT', 'EADDRNOTAVAIL', 'EINVAL', 'EPROTONOSUPPORT'];

/**
 * Opens a port for UDP: of both families when the host is `::`.
 * @throws MediaServerError PORT_IN_USE; nothing is left open then
 */
export async function bindUdp(
  host: string,
  port: number,
  create: (family: 4 | 6) => UdpListener,
): Promise<readonly UdpListener[]> {
  const opened: UdpListener[] = [];
  const open = async (family: 4 | 6, address: string): Promise<void> => {
    const listener = create(family);
    await listener.bind(address, port);
    opened.push(listener);
  };
  try {
    if (host !== '::') await open(isIPv6(host) ? 6 : 4, host);
    else {
      await open(4, '0.0.0.0');
      await open(6, '::').catch((error: unknown) => {
        if (!NO_SUCH_FAMILY.includes(codeOf(error))) throw error;
      });
    }
    return opened;
  } catch (error) {
    await Promise.all(opened.map((listener) => listener.close()));
    throw portInUse({ what: 'UDP', host, port, setting: 'turn_port' }, error);
  }
}

/** @throws MediaServerError PORT_IN_USE */
export async function bindStream(
  listener: StreamListener,
  at: { readonly host: string; readonly port: number; readonly setting: 'turn_port' | 'turns_port' },
): Promise<void> {
  try {
    await listener.start(at.host, at.port);
  } catch (error) {
    throw portInUse({ what: 'TCP', ...at }, error);
  }
}

function portInUse(
  at: { readonly what: string; readonly host: string; readonly port: number; readonly setting: string },
  cause: unknown,
): MediaServerError {
  const code = codeOf(cause);
  const why = code === 'EADDRINUSE' ? 'is in use by another program' : `can not be opened (${code})`;
  const message = `${at.what} port ${at.host}:${at.port} for TURN ${why}; stop that program or choose another with --set ${at.setting}=NUMBER (0: none)`;
  return new MediaServerError('PORT_IN_USE', message, { cause });
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : 'unknown';
}

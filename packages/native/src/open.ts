import type { Egress, EgressOptions } from './egress.ts';
import { type DatagramPorts, loadAddon, type ReceiveFromAll, type SendToAll } from './native/addon.ts';
import { NativeEgress } from './native/native-egress.ts';
import { resolveEgressOptions } from './options.ts';
import { TypeScriptEgress } from './typescript/typescript-egress.ts';

/**
 * Opens a media port: by the addon where it can be loaded, else in TypeScript. `implementation` and `reason` of the
 * result say which and why.
 * @throws RangeError for wrong options, Error with the system's code (`EADDRINUSE`) when the port can not be opened
 */
export async function openEgress(options: EgressOptions): Promise<Egress> {
  const resolved = resolveEgressOptions(options);
  const { addon, reason } = loadAddon(process.env['SLUICE_NATIVE']);
  if (addon !== undefined) return new NativeEgress(addon, resolved, reason);
  return TypeScriptEgress.open(resolved, reason);
}

/** Why the addon is not used although `SLUICE_NATIVE` does not forbid it, and what to do about it; undefined where it is. */
export function missingAddon(): string | undefined {
  const setting = process.env['SLUICE_NATIVE'];
  const { addon, reason } = loadAddon(setting);
  return addon === undefined && setting !== 'off' ? reason : undefined;
}

/** Writes to many TCP sockets in one call; undefined where the addon can't be loaded. */
export function loadSendToAll(): SendToAll | undefined {
  return loadAddon(process.env['SLUICE_NATIVE']).addon?.sendToAll;
}

/** Opens a set of UDP ports that are read together; undefined where the addon can't be loaded. */
export function openDatagramPorts(): DatagramPorts | undefined {
  const { addon } = loadAddon(process.env['SLUICE_NATIVE']);
  return addon === undefined ? undefined : new addon.DatagramPorts();
}

/** Reads from many TCP sockets in one call; undefined where the addon can't be loaded. */
export function loadReceiveFromAll(): ReceiveFromAll | undefined {
  return loadAddon(process.env['SLUICE_NATIVE']).addon?.receiveFromAll;
}

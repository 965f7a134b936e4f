import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The class of the addon; `addon/addon.cc` says what its arguments are. */
export interface MediaSocket {
  close(): void;
  port(): number;
  addPeer(profile: number, repeats: number, keys: Uint8Array): number;
  removePeer(peer: number): boolean;
  route(peer: number, address: Uint8Array, what: number): boolean;
  divert(peer: number): boolean;
  takeIn(peer: number, datagram: Uint8Array): boolean;
  setPacing(peer: number, bps: number, burstBytes: number): boolean;
  openLane(maxPackets: number, maxBytes: number, maxAgeMs: number, prompt: number): number;
  closeLane(lane: number): boolean;
  push(lane: number, bytes: Uint8Array, fields: Float64Array, count: number): boolean;
  follow(peer: number, fields: Float64Array): boolean;
  track(peer: number, ssrc: number, out: Float64Array, what: number): boolean;
  submit(commands: Uint8Array, used: number): boolean;
  sentSince(peer: number, number: number, out: Float64Array): number;
  stats(out: Float64Array, peer: number): boolean;
}

/** As in `addon/addon.cc`: an addon that was built from other sources is not called. */
const VERSION = 4;

export interface Addon {
  readonly version: number;
  readonly MediaSocket: new (
    options: Float64Array,
    address: string,
    onReceived: (data: Buffer, records: Float64Array) => void,
  ) => MediaSocket;
  readonly sendToAll: SendToAll;
  readonly receiveFromAll: ReceiveFromAll;
  readonly DatagramPorts: new () => DatagramPorts;
}

/**
 * Many UDP ports (IPv4) of this thread, named by the system's numbers of them and read together, as a load generator
 * needs them. Nothing waits. Addresses have 18 bytes: IPv6 or mapped IPv4, and the port. All but `read` throw TypeError for
 * what is no open port.
 */
export interface DatagramPorts {
  /** Opens one at a number of the system's choice; the negative error of the system when that is not possible. */
  open(bufferBytes: number): number;
  port(port: number): number;
  /** From now on it hears and sends to that address alone. Gives 0, or the negative error. */
  connect(port: number, to: Uint8Array): number;
  /** @param to needed before it is connected. Gives 0, or the negative error */
  send(port: number, datagram: Uint8Array, to?: Uint8Array): number;
  /** False when it was closed before. */
  close(port: number): boolean;
  /**
   * Reads what has come, each datagram into 2048 bytes of `data` (longer ones are cut) with four fields of `records`: port,
   * offset, length, and how many ms ago it came. Gives their number; when as many came as there is room for, there may be
   * more.
   */
  read(data: Uint8Array, records: Float64Array): number;
}

/**
 * Writes the same bytes to the first `count` TCP sockets by the system's numbers of them, without waiting, and fills
 * `taken` with what each took: bytes, 0 where it has no room, or the negative error of the system.
 * @throws TypeError, RangeError for arguments that are wrong, and for no bytes
 */
export type SendToAll = (descriptors: Int32Array, count: number, bytes: Uint8Array, taken: Int32Array) => void;

/**
 * Reads from the first `count` TCP sockets by the system's numbers of them, without waiting, each into its part of `bytes`,
 * which is divided evenly, and fills `given` with what came: bytes, 0 when nothing has come yet, negative where nothing
 * will come any more.
 * @throws TypeError, RangeError for arguments that are wrong, and for fewer bytes than sockets
 */
export type ReceiveFromAll = (descriptors: Int32Array, count: number, bytes: Uint8Array, given: Int32Array) => void;

const PACKAGE = fileURLToPath(new URL('../..', import.meta.url));

/** The addon, or why there is none. `setting` is that of `SLUICE_NATIVE`: `off`, or the file to load. */
export function loadAddon(setting: string | undefined): { readonly addon?: Addon; readonly reason: string } {
  if (setting === 'off') return { reason: 'SLUICE_NATIVE is off' };
  const files = [
    resolve(PACKAGE, `prebuilds/${process.platform}-${process.arch}/sluice.node`),
    resolve(PACKAGE, 'build/sluice.node'),
  ];
  const file =
    setting !== undefined && setting !== '' ? resolve(setting) : files.find((candidate) => existsSync(candidate));
  if (file === undefined) return { reason: 'the addon is not built: install the package g++' };
  try {
    const addon = createRequire(import.meta.url)(file) as Addon;
    if (addon.version !== VERSION) return { reason: `${file} is of other sources: run packages/native/build.mjs` };
    return { addon, reason: `loaded ${file}` };
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    return { reason: `${file} can not be loaded: ${message.split('\n', 1)[0]}` };
  }
}

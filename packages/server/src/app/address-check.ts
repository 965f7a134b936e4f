import { lookup } from 'node:dns/promises';
import { readFile, stat } from 'node:fs/promises';
import { BlockList, isIP } from 'node:net';
import { networkInterfaces } from 'node:os';
import type { Log } from '../core/index.ts';

export interface AddressCheckOptions {
  /** The setting as it stands; empty for none. */
  readonly ip: string;
  /** What it comes to; empty for the addresses of this machine. */
  readonly advertised: readonly string[];
  /** The only address that is listened on; undefined for all. */
  readonly bindAddress: string | undefined;
  /** Port of the media, UDP and, if there is any, TCP. */
  readonly port: number;
  readonly tcp: boolean;
  /** `host:port` of a STUN server to ask; empty for none: nothing is sent then. */
  readonly stunServer: string;
}

export interface AddressCheckDeps {
  readonly log: Log;
  /** Asks a STUN server how the media port looks from outside; undefined when it does not answer in time. */
  askOutside(server: Place, timeoutMs: number): Promise<Place | undefined>;
  /** Addresses of this machine. Default: those of its interfaces. */
  readonly interfaces?: (() => readonly string[]) | undefined;
  /** Default: looks for the marks of Docker, Podman and Kubernetes. */
  readonly isContainer?: (() => Promise<boolean>) | undefined;
}

/** An address and a port. */
export interface Place {
  readonly address: string;
  readonly port: number;
}

/** All that is known about the address that clients are told for media. */
export interface AddressSituation extends AddressCheckOptions {
  /** Of this machine, without loopback and link-local ones. */
  readonly own: readonly string[];
  readonly inContainer: boolean;
  /** What the STUN server sees; undefined when none was asked or none answered. */
  readonly outside: Place | undefined;
}

/** Something that an operator should know about that address. Stable code, and one line of what is so and what to set. */
export interface AddressFinding {
  readonly severity: 'warn' | 'info';
  readonly code:
    | 'LOOPBACK'
    | 'PRIVATE'
    | 'CONTAINER'
    | 'PRIVATE_BESIDE_PUBLIC'
    | 'NOT_OWN'
    | 'OTHER_OUTSIDE'
    | 'STUN_SILENT'
    | 'STUN_UNREADABLE'
    | 'CONFIRMED';
  readonly text: string;
}

const STUN_TIMEOUT_MS = 3000;
const DEFAULT_STUN_PORT = 3478;
const LOOPBACK = networks(['127.0.0.0/8', '0.0.0.0/8', '::1/128', '::/128']);
/** Addresses that mean something in their own network only (RFC 1918, 6598, 3927, 4193, 4291). */
const PRIVATE = networks([
  ...['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', '100.64.0.0/10', '169.254.0.0/16', 'fc00::/7', 'fe80::/10'],
]);

/**
 * Looks whether clients can reach the address that they are told for media, and tells the log what to set when that
 * seems wrong. To be called after the start, which need not wait for it. Never rejects.
 * @returns what was told, for the console
 */
export async function checkAddress(
  options: AddressCheckOptions,
  deps: AddressCheckDeps,
): Promise<readonly AddressFinding[]> {
  try {
    const findings = await findAll(options, deps);
    for (const { severity, code, text } of findings) deps.log[severity]({ code }, text);
    return findings;
  } catch (err) {
    deps.log.debug({ err }, 'the address for media could not be checked');
    return [];
  }
}

async function findAll(options: AddressCheckOptions, deps: AddressCheckDeps): Promise<readonly AddressFinding[]> {
  const { stunServer } = options;
  const inContainer = await (deps.isContainer ?? isContainer)();
  const own = (deps.interfaces ?? ownAddresses)().filter((address) => !isLoopback(address) && !isLinkLocal(address));
  if (stunServer === '') return judgeAddress({ ...options, own, inContainer, outside: undefined });
  const server = parseStunServer(stunServer);
  if (server === undefined) {
    const text = `webrtc_stun_server=${stunServer} can't be read: write it as stun.example.com:3478`;
    const unreadable = { severity: 'warn', code: 'STUN_UNREADABLE', text } as const;
    return [unreadable, ...judgeAddress({ ...options, own, inContainer, outside: undefined })];
  }
  const outside = await askOutside(server, deps);
  return judgeAddress({ ...options, own, inContainer, outside });
}

/** What is to be said about the address that clients are told. Pure. */
export function judgeAddress(situation: AddressSituation): readonly AddressFinding[] {
  const { stunServer, outside } = situation;
  const told = toldAddresses(situation);
  const about = situation.ip === '' ? judgeDiscovered(situation, told) : judgeAdvertised(situation, told);
  if (stunServer === '' || parseStunServer(stunServer) === undefined) return about;
  if (outside === undefined) {
    const text = `the STUN server ${stunServer} (webrtc_stun_server) did not answer within ${STUN_TIMEOUT_MS / 1000} s: its name is wrong, or UDP does not get out of here`;
    return [...about, { severity: 'warn', code: 'STUN_SILENT', text }];
  }
  return [...about.filter(({ code }) => code !== 'NOT_OWN'), ...judgeOutside(situation, { told, outside, about })];
}

function judgeDiscovered(situation: AddressSituation, told: readonly string[]): AddressFinding[] {
  const { inContainer, outside, port } = situation;
  const address = outside?.address ?? '<public address of the host>';
  if (told.every(isLoopback)) {
    const text = `this machine has no address but those of itself: WebRTC works for clients on this machine only. For others set ip=${outside?.address ?? '<address that clients reach>'}`;
    return [{ severity: 'warn', code: 'LOOPBACK', text }];
  }
  if (!told.every(isPrivate)) return [];
  if (inContainer) {
    const text = `WebRTC clients are told ${list(told)}, which is inside of this container: they will connect and see nothing. Set ip=${address} and publish the port under the same number: ${published(situation)} (or run the container with --network host)`;
    return [{ severity: 'warn', code: 'CONTAINER', text }];
  }
  const text = `WebRTC clients are told ${list(told)}, which only this private network reaches. For clients elsewhere set ip=${outside?.address ?? '<public address>'} and let ${protocols(situation)} port ${port} in`;
  return [{ severity: 'warn', code: 'PRIVATE', text }];
}

function judgeAdvertised(situation: AddressSituation, told: readonly string[]): AddressFinding[] {
  const { ip, own, port } = situation;
  const named = told.length === 1 && told[0] === ip ? `ip=${ip}` : `ip=${ip} (${list(told)})`;
  if (told.some(isLoopback)) {
    const text = `${named} means this machine itself: only clients on it get sound and picture by WebRTC. Set ip=<address that clients reach>`;
    return [{ severity: 'warn', code: 'LOOPBACK', text }];
  }
  const better = own.filter((address) => !isPrivate(address) && told.some((one) => isIP(one) === isIP(address)));
  if (told.every(isPrivate) && better.length > 0) {
    const text = `${named} is private, but this machine has ${list(better)}: set ip=${better[0]}, or leave it empty, for clients that are not in its network`;
    return [{ severity: 'warn', code: 'PRIVATE_BESIDE_PUBLIC', text }];
  }
  if (told.some((address) => own.includes(address))) return [];
  const text = `${named} is not an address of this machine (${list(own) || 'none'}): what comes there to ${protocols(situation)} port ${port} must be passed on to here under the same number`;
  return [{ severity: 'info', code: 'NOT_OWN', text }];
}

function judgeOutside(
  { ip, stunServer, port, own }: AddressSituation,
  from: { readonly told: readonly string[]; readonly outside: Place; readonly about: readonly AddressFinding[] },
): AddressFinding[] {
  const { told, outside, about } = from;
  const { address } = outside;
  if (told.includes(address)) {
    const seen = outside.port === port ? '' : ` (what is sent from port ${port} leaves as ${outside.port})`;
    const text = `the STUN server ${stunServer} sees this server at ${address}, which is what WebRTC clients are told${seen}`;
    return [{ severity: 'info', code: 'CONFIRMED', text }];
  }
  // A line about the same has said it already, with the address from outside.
  if (about.some(({ code }) => code === 'PRIVATE' || code === 'CONTAINER')) return [];
  const whose = own.includes(address) ? 'one of its own addresses' : 'from outside';
  const what = ip === '' ? 'ip is empty' : `ip=${ip}`;
  const text = `the STUN server ${stunServer} sees this server at ${address} (${whose}), but WebRTC clients are told ${list(told) || 'nothing'} (${what}): if they see nothing, set ip=${address}`;
  return [{ severity: 'warn', code: 'OTHER_OUTSIDE', text }];
}

function toldAddresses({ ip, advertised, bindAddress, own }: AddressSituation): readonly string[] {
  if (ip !== '') return advertised;
  if (bindAddress === '0.0.0.0') return own.filter((address) => isIP(address) === 4);
  return bindAddress === undefined || bindAddress === '::' ? own : [bindAddress];
}

async function askOutside(server: Place, deps: AddressCheckDeps): Promise<Place | undefined> {
  const deadlineMs = performance.now() + STUN_TIMEOUT_MS;
  const address = await resolved(server.address);
  if (address === undefined) return undefined;
  return deps.askOutside({ ...server, address }, Math.max(0, deadlineMs - performance.now()));
}

async function resolved(host: string): Promise<string | undefined> {
  if (isIP(host) !== 0) return host;
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(resolve, STUN_TIMEOUT_MS, undefined).unref();
  });
  try {
    // IPv4 first: it is IPv4 that goes through NAT.
    const found = lookup(host, { order: 'ipv4first' }).then(({ address }) => address);
    return await Promise.race([found.catch(() => undefined), late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Reads `host`, `host:port`, `[IPv6]:port`, with or without `stun:`; undefined when it is nothing of that. */
export function parseStunServer(text: string): Place | undefined {
  const match = /^(?:stun:)?(?:\[([0-9a-f:.]+)\]|([^\s:[\]/]{1,253}))(?::(\d{1,5}))?$/i.exec(text.trim());
  if (match === null) return undefined;
  const [, ipv6, host = '', port = String(DEFAULT_STUN_PORT)] = match;
  if (ipv6 !== undefined && isIP(ipv6) !== 6) return undefined;
  const number = Number(port);
  return number > 0 && number <= 65_535 ? { address: ipv6 ?? host, port: number } : undefined;
}

function ownAddresses(): readonly string[] {
  return Object.values(networkInterfaces()).flatMap((list) => (list ?? []).map(({ address }) => address));
}

/** Docker and Podman leave a file; others are known by their control groups, or by Kubernetes' environment. */
async function isContainer(): Promise<boolean> {
  if (process.env['KUBERNETES_SERVICE_HOST'] !== undefined) return true;
  for (const mark of ['/.dockerenv', '/run/.containerenv'])
    if (
      await stat(mark).then(
        () => true,
        () => false,
      )
    )
      return true;
  const groups = await readFile('/proc/1/cgroup', 'utf8').catch(() => '');
  return /docker|kubepods|containerd|libpod|lxc/.test(groups);
}

function published({ port, tcp }: AddressSituation): string {
  return `-p ${port}:${port}/udp${tcp ? ` -p ${port}:${port}/tcp` : ''}`;
}

function protocols({ tcp }: AddressSituation): string {
  return tcp ? 'UDP and TCP' : 'UDP';
}

function list(addresses: readonly string[]): string {
  const shown = addresses.slice(0, 4).join(', ');
  return addresses.length > 4 ? `${shown} and ${addresses.length - 4} more` : shown;
}

function networks(prefixes: readonly string[]): BlockList {
  const found = new BlockList();
  for (const prefix of prefixes) {
    const [address = '', bits] = prefix.split('/');
    found.addSubnet(address, Number(bits), isIP(address) === 4 ? 'ipv4' : 'ipv6');
  }
  return found;
}

function isPrivate(address: string): boolean {
  return PRIVATE.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4');
}

function isLoopback(address: string): boolean {
  return LOOPBACK.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4');
}

function isLinkLocal(address: string): boolean {
  return /^(?:169\.254\.|fe[89ab][0-9a-f]:)/i.test(address);
}

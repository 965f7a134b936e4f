import { BlockList, isIP } from 'node:net';

/** What may be connected to. */
export interface OutboundPolicyOptions {
  /** Whether addresses of this machine, of private networks and others that are not the internet may be connected to. */
  readonly privateNetworks: 'allow' | 'deny';
  /** Addresses and networks (`10.0.0.0/8`) that may be connected to whatever else is said. */
  readonly allowed: readonly string[];
  /** Addresses and networks that are never connected to. */
  readonly denied: readonly string[];
}

/** Networks that are not the internet (RFC 6890 and the IANA registries of special addresses). */
const SPECIAL_NETWORKS = [
  '0.0.0.0/8',
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.0.0.0/24',
  '192.0.2.0/24',
  '192.168.0.0/16',
  '198.18.0.0/15',
  '198.51.100.0/24',
  '203.0.113.0/24',
  '224.0.0.0/3',
  '::/96',
  '64:ff9b:1::/48',
  '100::/64',
  '2001::/23',
  '2001:db8::/32',
  'fc00::/7',
  'fe80::/10',
  'fec0::/10',
  'ff00::/8',
];
const SPECIAL = networkList(SPECIAL_NETWORKS);

/** Where an IPv4 address lies within IPv6 addresses that reach it: prefix of groups of 16 bits, and group of its begin. */
const EMBEDDED: readonly { readonly prefix: readonly number[]; readonly at: number }[] = [
  // IPv4-mapped (RFC 4291 §2.5.5.2), IPv4-compatible (§2.5.5.1), IPv4-translated (RFC 2765 §2.1).
  { prefix: [0, 0, 0, 0, 0, 0xffff], at: 6 },
  { prefix: [0, 0, 0, 0, 0, 0], at: 6 },
  { prefix: [0, 0, 0, 0, 0xffff, 0], at: 6 },
  // NAT64 (RFC 6052 §2.1) and 6to4 (RFC 3056 §2).
  { prefix: [0x64, 0xff9b, 0, 0, 0, 0], at: 6 },
  { prefix: [0x2002], at: 1 },
];

/** Decides which addresses may be connected to: what is allowed, before what is denied, before what is private. */
export class OutboundPolicy {
  readonly #options: OutboundPolicyOptions;
  readonly #allowed: BlockList;
  readonly #denied: BlockList;

  constructor(options: OutboundPolicyOptions) {
    this.#options = options;
    this.#allowed = networkList(options.allowed);
    this.#denied = networkList(options.denied);
  }

  /**
   * Why an address may not be connected to, in words that name the setting; undefined when it may. An IPv6 address that
   * reaches an IPv4 one (mapped, NAT64, 6to4) is judged as both.
   */
  refusal(address: string): string | undefined {
    const forms = formsOf(address);
    if (forms.length === 0) return `${address} is no address`;
    if (forms.some((form) => isIn(this.#allowed, form))) return undefined;
    if (forms.some((form) => isIn(this.#denied, form))) return `${address} is denied by the settings (outbound_denied)`;
    if (this.#options.privateNetworks === 'allow' || forms.every(isPublic)) return undefined;
    return `${address} is in a private network, which may not be connected to (outbound_private_networks=deny; exceptions: outbound_allowed)`;
  }
}

/** False for addresses of this machine, of private networks and others that are not the internet. */
export function isPublicAddress(address: string): boolean {
  const forms = formsOf(address);
  return forms.length > 0 && forms.every(isPublic);
}

function isPublic(form: string): boolean {
  return !isIn(SPECIAL, form);
}

function isIn(list: BlockList, form: string): boolean {
  return list.check(form, isIP(form) === 4 ? 'ipv4' : 'ipv6');
}

/** The address without its zone, and the IPv4 address within it: that alone when it is only another spelling of it. */
function formsOf(address: string): readonly string[] {
  const [plain = ''] = address.split('%', 1);
  const family = isIP(plain);
  if (family === 0) return [];
  if (family === 4) return [plain];
  const groups = groupsOf(plain);
  const found = EMBEDDED.find(({ prefix }) => prefix.every((group, i) => groups[i] === group));
  // `::` and `::1` are addresses of their own (RFC 4291 §2.5.2, §2.5.3).
  if (found === undefined || groups.every((group, i) => group === 0 || (i === 7 && group === 1))) return [plain];
  const [high = 0, low = 0] = groups.slice(found.at, found.at + 2);
  const embedded = `${high >> 8}.${high & 0xff}.${low >> 8}.${low & 0xff}`;
  // The others are reached through a translator, which is an address too.
  return found.prefix[5] === 0xffff ? [embedded] : [plain, embedded];
}

function groupsOf(address: string): readonly number[] {
  // The parser of URLs spells all addresses alike, with hexadecimal groups only.
  const [head = '', tail] = new URL(`http://[${address}]`).hostname.slice(1, -1).split('::');
  const numbers = (text: string): number[] =>
    text === '' ? [] : text.split(':').map((group) => Number.parseInt(group, 16));
  const first = numbers(head);
  if (tail === undefined) return first;
  const last = numbers(tail);
  return [...first, ...new Array<number>(8 - first.length - last.length).fill(0), ...last];
}

function networkList(networks: readonly string[]): BlockList {
  const list = new BlockList();
  for (const network of networks) {
    const [address = '', prefix] = network.split('/');
    const family = isIP(address) === 4 ? 'ipv4' : 'ipv6';
    list.addSubnet(address, Number(prefix ?? (family === 'ipv4' ? 32 : 128)), family);
  }
  return list;
}

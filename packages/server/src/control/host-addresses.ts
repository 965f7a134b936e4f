import { type NetworkInterfaceInfo, networkInterfaces } from 'node:os';

const MAX_ADDRESSES = 16;
const WILDCARDS: readonly string[] = ['', '0.0.0.0', '::'];

/**
 * Addresses that others may reach a server on this machine by, IPv4 first; at least one. When the server
 * listens on one address only, that is the only one.
 */
export function hostAddresses(listenHost: string, interfaces = networkInterfaces()): readonly string[] {
  if (!WILDCARDS.includes(listenHost)) return [listenHost];
  const all = Object.values(interfaces).flatMap((list) => list ?? []);
  const outside = all.filter((info) => !info.internal && !isLinkLocal(info));
  const addresses = [...outside.filter((i) => i.family === 'IPv4'), ...outside.filter((i) => i.family === 'IPv6')];
  const unique = [...new Set(addresses.map((info) => info.address))].slice(0, MAX_ADDRESSES);
  return unique.length > 0 ? unique : ['127.0.0.1'];
}

function isLinkLocal(info: NetworkInterfaceInfo): boolean {
  return /^(fe[89ab][0-9a-f]:|169\.254\.)/i.test(info.address);
}

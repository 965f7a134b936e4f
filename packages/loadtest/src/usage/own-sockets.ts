import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

/** Columns of /proc/net/udp. */
const INODE = 9;
const DROPS = 12;

/** Datagrams that came for this process and found no room, since its present sockets were opened; 0 where nobody tells. */
export function ownUdpDrops(): number {
  try {
    const own = ownInodes();
    return dropsOf(readFileSync('/proc/net/udp', 'latin1'), own);
  } catch {
    return 0;
  }
}

/** Adds up the drops of the sockets with those inodes. */
export function dropsOf(table: string, inodes: ReadonlySet<string>): number {
  let drops = 0;
  for (const line of table.split('\n').slice(1)) {
    const fields = line.trim().split(/\s+/);
    if (inodes.has(fields[INODE] ?? '')) drops += Number(fields[DROPS] ?? 0);
  }
  return drops;
}

function ownInodes(): Set<string> {
  const inodes = new Set<string>();
  for (const fd of readdirSync('/proc/self/fd')) {
    try {
      const inode = /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/self/fd/${fd}`))?.[1];
      if (inode !== undefined) inodes.add(inode);
    } catch {
      // It was closed meanwhile.
    }
  }
  return inodes;
}

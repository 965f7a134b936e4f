import { describe, expect, it } from 'vitest';
import { RouteTable } from './route-table.ts';

describe('a route table', () => {
  it('finds a route by address and port', () => {
    const table = new RouteTable();
    const routes = [
      { address: '192.0.2.1', port: 1 },
      { address: '192.0.2.2', port: 1 },
      { address: '192.0.2.1', port: 2 },
    ];
    for (const route of routes) table.set(route);
    for (const route of routes) expect(table.get(route.address, route.port)).toBe(route);
    expect([table.get('192.0.2.2', 2), table.get('192.0.2.1', 3), table.size]).toEqual([undefined, undefined, 3]);
  });

  it('removes a route, but not another that took its place', () => {
    const table = new RouteTable();
    const [first, second] = [
      { address: '::1', port: 1 },
      { address: '::1', port: 1 },
    ] as const;
    table.set(first);
    table.set(second);
    table.delete(first);
    expect(table.get('::1', 1)).toBe(second);
    table.delete(second);
    expect(table.get('::1', 1)).toBeUndefined();
  });

  it('holds nothing when all routes are gone', () => {
    const table = new RouteTable();
    const routes = Array.from({ length: 1000 }, (_, i) => ({ address: `192.0.2.${i % 10}`, port: i }));
    for (const route of routes) table.set(route);
    expect(table.isEmpty).toBe(false);
    for (const route of routes) table.delete(route);
    expect([table.isEmpty, table.size]).toEqual([true, 0]);
  });
});

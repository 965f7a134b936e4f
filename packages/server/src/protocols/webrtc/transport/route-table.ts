import type { Endpoint } from '../wire/stun/index.ts';

/** Finds what belongs to a remote address: by port, then by address, so that no key is built for a packet. */
export class RouteTable<Route extends Endpoint> {
  readonly #ports = new Map<number, Map<string, Route>>();

  /** Hot path: no allocation. */
  get(address: string, port: number): Route | undefined {
    return this.#ports.get(port)?.get(address);
  }

  /** Takes the place of what has the same address and port. */
  set(route: Route): void {
    const routes = this.#ports.get(route.port);
    if (routes === undefined) this.#ports.set(route.port, new Map([[route.address, route]]));
    else routes.set(route.address, route);
  }

  /** Removes this very route, not another that took its place. */
  delete(route: Route): void {
    const routes = this.#ports.get(route.port);
    if (routes?.get(route.address) !== route) return;
    routes.delete(route.address);
    if (routes.size === 0) this.#ports.delete(route.port);
  }

  /** True when nothing is held any more, not even memory for ports. */
  get isEmpty(): boolean {
    return this.#ports.size === 0;
  }

  get size(): number {
    let size = 0;
    for (const routes of this.#ports.values()) size += routes.size;
    return size;
  }
}

import type { AccessControl } from './access.ts';
import type { Adaptations } from './adaptations/adaptations.ts';
import type { ConnectionRegistry } from './connection-registry.ts';
import type { Counters, Log, StreamResolver } from './ports.ts';
import type { SessionRegistry } from './session-registry.ts';
import type { Stream } from './stream.ts';
import type { StreamRegistry } from './stream-registry.ts';

/** What the server of any protocol is given. */
export interface ProtocolDeps {
  readonly streams: StreamRegistry;
  readonly sessions: SessionRegistry;
  readonly connections: ConnectionRegistry;
  /** Asked before a client connects, publishes or plays. */
  readonly access: AccessControl;
  /** Asked in order for names that are not live. */
  readonly resolvers: readonly StreamResolver[];
  /** Forms of streams for viewers that can't take them as they are. */
  readonly adaptations: Adaptations;
  readonly log: Log;
  readonly counters: Counters;
}

/**
 * The stream of a name: the one that is live, or one that a resolver makes, or one that a publisher brings within
 * `waitMs`. Undefined when there is none, or after an abort. `startUs`: where in a file the viewer wants to begin.
 */
export async function findStream(
  deps: Pick<ProtocolDeps, 'streams' | 'resolvers'>,
  name: string,
  wait: { readonly waitMs: number; readonly signal: AbortSignal; readonly startUs?: number | undefined },
): Promise<Stream | undefined> {
  const present = deps.streams.get(name);
  const resolver = deps.resolvers.find((r) => r.accepts(name));
  if (present !== undefined && resolver?.starting?.(name) !== true) return present;
  if (resolver !== undefined) return resolver.resolve(name, { startUs: wait.startUs, signal: wait.signal });
  return deps.streams.waitFor(name, wait.waitMs, wait.signal);
}

import Type, { type Static } from 'typebox';

const Series = Type.Array(Type.Number());

/** What the server uses of something that is limited; `limit` is 0 where none is known. */
export const ServerLimit = Type.Object({
  id: Type.Union([
    Type.Literal('streams'),
    Type.Literal('memory'),
    Type.Literal('heap'),
    Type.Literal('files'),
    Type.Literal('processors'),
  ]),
  used: Type.Number(),
  limit: Type.Number(),
  /** `bytes`, or nothing for a count. */
  unit: Type.String(),
});

export type ServerLimit = Static<typeof ServerLimit>;

/**
 * Body of `GET /api/server?since=<ms>`: how the whole server went in the last minutes, in columns as in
 * StreamHistoryBody, and how near its limits it is. Our own, not part of the WCS API.
 */
export const ServerHistoryBody = Type.Object({
  limits: Type.Array(ServerLimit),
  startedMs: Type.Integer(),
  intervalMs: Type.Integer(),
  timesMs: Type.Array(Type.Integer()),
  /** Bits of media that came in the sample's second, and that went out, over all sessions. */
  bitsInPerSecond: Series,
  bitsOutPerSecond: Series,
  /** Sessions and connections at the sample's time. */
  publishers: Series,
  viewers: Series,
  connections: Series,
  /** Share of all processors that the server's process used, and all processes of the machine, percent. */
  cpuPercent: Series,
  machineCpuPercent: Series,
  /** Memory of the server's process, and what of it JavaScript uses. */
  memoryBytes: Series,
  heapBytes: Series,
  /** How late the event loop came to what was due: the worst of the second, and the mean. */
  eventLoopDelayMs: Series,
  eventLoopMeanMs: Series,
});

export type ServerHistoryBody = Static<typeof ServerHistoryBody>;

import {
  ConnectionsBody,
  ConnectionsQuery,
  LadderBody,
  LogBody,
  OverviewBody,
  RecordingsBody,
  RecordingsQuery,
  RelaysBody,
  RelaysQuery,
  RoomsBody,
  RoomsQuery,
  ServerHistoryBody,
  SessionHistoryBody,
  SessionsBody,
  SessionsQuery,
  SettingsBody,
} from '@sluice/contract';
import type { FastifyInstance } from 'fastify';
import Type from 'typebox';
import type { ControlDeps } from '../control-deps.ts';
import { errorBody } from '../error-body.ts';
import { historyRoute } from './history-route.ts';
import { ladderOf } from './ladder.ts';
import { overview } from './overview.ts';
import { listRecordings } from './recording-list.ts';
import { listRelays } from './relay-list.ts';
import { listRooms } from './room-list.ts';
import { SampleRing } from './sample-ring.ts';
import { ServerLimits } from './server-limits.ts';
import type { ServerSamples } from './server-samples.ts';
import { listConnections, listSessions, sessionRow } from './session-list.ts';
import { describeAll, SESSION_SERIES, type SessionSamples } from './session-samples.ts';
import type { StreamHistories } from './stream-histories.ts';

/** Lines of one answer; the rest comes with the next ones. */
const MAX_LOG_LINES = 500;

const SinceQuery = Type.Object({ since: Type.Optional(Type.Number()) });

/** What the console is told from, beside the hub. */
export interface ConsoleDeps extends ControlDeps {
  readonly histories: StreamHistories;
  readonly sessionSamples: SessionSamples;
  readonly serverSamples: ServerSamples;
}

/** Where the server answers, known only after listening. */
export interface WebAddress {
  readonly host: string;
  readonly port: number;
  readonly securePort: number;
}

/** Adds all that the console asks for, under `/api`. Nothing of it may be cached. */
export function consoleRoutes(app: FastifyInstance, deps: ConsoleDeps, web: () => WebAddress): void {
  void app.register((scope, _options, done) => {
    scope.addHook('onRequest', (_request, reply, next) => {
      reply.header('cache-control', 'no-store');
      next();
    });
    scope.get('/api/overview', { schema: answers(OverviewBody) }, () => overview(deps, web()));
    historyRoute(scope, deps.streams, deps.histories);
    sessionRoutes(scope, deps);
    serverRoutes(scope, deps);
    recordingRoutes(scope, deps);
    relayRoutes(scope, deps);
    roomRoutes(scope, deps);
    ladderRoute(scope, deps);
    done();
  });
}

function sessionRoutes(app: FastifyInstance, deps: ConsoleDeps): void {
  const { sessions, connections, sessionSamples } = deps;
  app.get<{ Querystring: SessionsQuery }>(
    '/api/sessions',
    { schema: { querystring: SessionsQuery, ...answers(SessionsBody) } },
    ({ query }) => listSessions(describeAll(sessions), sessionSamples, query),
  );
  app.get<{ Params: { id: string }; Querystring: { since?: number } }>(
    '/api/sessions/:id',
    { schema: { querystring: SinceQuery, ...answers(SessionHistoryBody) } },
    ({ params, query, url }, reply) => {
      const session = sessions.get(params.id);
      if (session === undefined) return reply.code(404).send(errorBody(404, 'the session is over', url));
      const described = { session, description: session.describe() };
      const history =
        sessionSamples.historyOf(session) ?? new SampleRing(SESSION_SERIES, described.description.createDate);
      return reply.send({ session: sessionRow(described, sessionSamples), ...history.since(query.since ?? 0) });
    },
  );
  app.get<{ Querystring: ConnectionsQuery }>(
    '/api/connections',
    { schema: { querystring: ConnectionsQuery, ...answers(ConnectionsBody) } },
    ({ query }) => listConnections(connections, query),
  );
}

function serverRoutes(app: FastifyInstance, deps: ConsoleDeps): void {
  const { serverSamples, settingsView, recentLog } = deps;
  const limits = new ServerLimits();
  app.get<{ Querystring: { since?: number } }>(
    '/api/server',
    { schema: { querystring: SinceQuery, ...answers(ServerHistoryBody) } },
    ({ query }) => ({ limits: limits.of(deps), ...serverSamples.since(query.since ?? 0) }),
  );
  if (settingsView !== undefined) {
    app.get('/api/settings', { schema: answers(SettingsBody) }, () => settingsView());
  }
  if (recentLog !== undefined) {
    app.get<{ Querystring: { since?: number } }>(
      '/api/log',
      { schema: { querystring: SinceQuery, ...answers(LogBody) } },
      ({ query }) => recentLog.since(query.since ?? 0, MAX_LOG_LINES),
    );
  }
}

function recordingRoutes(app: FastifyInstance, { recorder }: ConsoleDeps): void {
  if (recorder === undefined) return;
  app.get<{ Querystring: RecordingsQuery }>(
    '/api/recordings',
    { schema: { querystring: RecordingsQuery, ...answers(RecordingsBody) } },
    ({ query }) => listRecordings(recorder, query),
  );
}

function relayRoutes(app: FastifyInstance, { relays }: ConsoleDeps): void {
  if (relays === undefined) return;
  app.get<{ Querystring: RelaysQuery }>(
    '/api/relays',
    { schema: { querystring: RelaysQuery, ...answers(RelaysBody) } },
    ({ query }) => listRelays(relays, query),
  );
}

function roomRoutes(app: FastifyInstance, { rooms }: ConsoleDeps): void {
  if (rooms === undefined) return;
  app.get<{ Querystring: RoomsQuery }>(
    '/api/rooms',
    { schema: { querystring: RoomsQuery, ...answers(RoomsBody) } },
    ({ query }) => listRooms(rooms, query),
  );
}

function ladderRoute(app: FastifyInstance, deps: ConsoleDeps): void {
  const querystring = Type.Object({ stream: Type.String() });
  app.get<{ Querystring: { stream: string } }>(
    '/api/ladder',
    { schema: { querystring, ...answers(LadderBody) } },
    ({ query }) => ladderOf(deps, query.stream),
  );
}

/** Only what the schema has is sent. */
function answers(schema: object): { response: { 200: object } } {
  return { response: { 200: schema } };
}

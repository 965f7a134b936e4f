import Type, { type Static } from 'typebox';

/** Body of `GET /health`: the process answers, so it is alive. */
export const HealthBody = Type.Object({
  status: Type.Literal('ok'),
  version: Type.String(),
  uptimeSeconds: Type.Integer(),
  streams: Type.Integer(),
  sessions: Type.Integer(),
});

export type HealthBody = Static<typeof HealthBody>;

import Type, { type Static } from 'typebox';
import { name, text, texts } from './fields.ts';

/** Body of `/data/send` (rest-api.md §14). */
export const DataSending = Type.Object({
  nodeId: Type.Optional(text('means nothing: a server sends to its own clients only')),
  operationId: Type.Optional(name('chosen by the caller, told to the client; a random one without it')),
  payload: Type.Optional(Type.Unknown({ description: 'any JSON' })),
  sessionId: Type.Optional(name('the connection')),
  sessionIds: Type.Optional(texts('several connections, in place of `sessionId` or beside it')),
});

export type DataSending = Static<typeof DataSending>;

/** What `/data/send` answers when it reached some of the connections and not others. */
export const DataSendingResult = Type.Object({
  sent: Type.Array(Type.String()),
  failed: Type.Array(Type.Object({ sessionId: Type.String(), message: Type.String() })),
});

export type DataSendingResult = Static<typeof DataSendingResult>;

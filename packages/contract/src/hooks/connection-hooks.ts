import Type, { type Static } from 'typebox';
import { CustomField, HOOK_ORIGIN } from './hook-fields.ts';

/** A number, or its digits in a text: clients send what was typed into them. */
const Port = Type.Union([Type.Number(), Type.String()]);

const connectFields = {
  ...HOOK_ORIGIN,
  status: Type.Optional(Type.String()),
  mediaProviders: Type.Optional(Type.Array(Type.String(), { description: 'what the client can use, best first' })),
  authToken: Type.Optional(Type.String({ description: 'names the session to a client that comes back' })),
  clientVersion: Type.Optional(Type.String({ description: 'version of the SDK, or the name of the program' })),
  clientOSVersion: Type.Optional(Type.String()),
  clientBrowserVersion: Type.Optional(Type.String()),
  clientInfo: Type.Optional(Type.Unknown({ description: "the browser's user agent data" })),
  msePacketizationVersion: Type.Optional(Type.Integer()),
  keepAlive: Type.Boolean({ description: 'the session is kept when the connection drops' }),
  useWsTunnel: Type.Boolean(),
  useWsTunnelPacketization2: Type.Boolean(),
  useBase64BinaryEncoding: Type.Boolean(),
  origin: Type.Optional(Type.String({ description: "the page's origin" })),
  login: Type.Optional(Type.String({ description: 'random, made by the server, where there is no `sipLogin`' })),
  custom: Type.Optional(CustomField),
  sipRegisterRequired: Type.Optional(Type.Boolean()),
  sipLogin: Type.Optional(Type.String()),
  sipAuthenticationName: Type.Optional(Type.String()),
  sipPassword: Type.Optional(Type.String()),
  sipVisibleName: Type.Optional(Type.String()),
  sipDomain: Type.Optional(Type.String()),
  sipOutboundProxy: Type.Optional(Type.String()),
  sipProxy: Type.Optional(Type.String()),
  sipPort: Type.Optional(Port),
  sipContactParams: Type.Optional(Type.String()),
};

/** `connect`: asked before a session is accepted; the fields of the answer replace these (rest-hooks.md §6.1). */
export const ConnectHook = Type.Object(connectFields);

export type ConnectHook = Static<typeof ConnectHook>;

/** `ConnectionStatusEvent`: a connection was established, or is gone (§6.1). */
export const ConnectionStatusEventHook = Type.Object({
  ...connectFields,
  status: Type.Enum(['ESTABLISHED', 'DISCONNECTED'], { description: '`ESTABLISHED` or `DISCONNECTED`' }),
  info: Type.Optional(Type.String({ description: 'why it ended' })),
});

export type ConnectionStatusEventHook = Static<typeof ConnectionStatusEventHook>;

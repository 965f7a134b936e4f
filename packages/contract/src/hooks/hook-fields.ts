import Type from 'typebox';

/** Fields that every hook's body begins with (rest-hooks.md §5). */
export const HOOK_ORIGIN = {
  /** `<32 characters>@<address>`: this server, across its restarts. */
  nodeId: Type.String({ description: 'this server: 32 characters that stay the same, `@`, its address' }),
  /** Names the application. */
  appKey: Type.String({ description: "the application's key" }),
  /** `/<client ip>:<port>/<server ip>:<port>`. */
  sessionId: Type.String({ description: "the client's connection: `/<client ip>:<port>/<server ip>:<port>`" }),
};

/** Fields that stay as they are, whatever a back end answers: they say whom the question is about. */
export const IDENTITY_FIELDS: ReadonlySet<string> = new Set(['nodeId', 'appKey', 'sessionId', 'mediaSessionId']);

/** The client's own words to its back end: `custom` of the Web SDK (any value), parameters of an address (texts). */
export const CustomField = Type.Unknown({
  description: "the client's own words: `custom` of the Web SDK, URL parameters",
});

/** What a back end is told of an event that reports an error, instead of the event's own fields (rest-hooks.md §5). */
export const FailedEvent = Type.Object({
  ...HOOK_ORIGIN,
  status: Type.Literal('FAILED', { description: '`FAILED`' }),
  info: Type.String({ description: 'why, in the words that the client gets' }),
});

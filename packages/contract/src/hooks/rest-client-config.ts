import Type, { type Static } from 'typebox';

/** How one hook is treated in one session (rest-hooks.md §4). */
export const HookPolicyObject = Type.Object({
  clientExclude: Type.Optional(
    Type.String({ description: 'fields that the client does not get, separated by commas' }),
  ),
  restExclude: Type.Optional(Type.String({ description: 'fields that the back end does not get' })),
  restOnError: Type.Optional(
    Type.Enum(['LOG', 'FAIL'], {
      description: '`LOG` (default): go on as if it was allowed; `FAIL`: forbid it. After any answer but 200, or none',
    }),
  ),
  restPolicy: Type.Optional(
    Type.Enum(['NOTIFY', 'OVERWRITE', 'DISABLE', 'DISABLED'], {
      description:
        '`NOTIFY` (default): the body of the answer is ignored; `OVERWRITE`: fields named by `restOverwrite` are taken from it; `DISABLE`: the hook is not sent',
    }),
  ),
  restOverwrite: Type.Optional(Type.String({ description: 'fields that are taken from the answer' })),
});

/**
 * `restClientConfig`, which a back end may give with its answer to `connect`: policies by the names of hooks. It is read
 * leniently: what can't be understood counts as absent.
 */
export const RestClientConfig = Type.Record(Type.String(), HookPolicyObject);

export type RestClientConfig = Static<typeof RestClientConfig>;

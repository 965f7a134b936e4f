import Type, { type Static } from 'typebox';
import { HOOK_NAMES } from './hook-names.ts';

const Name = Type.String({ minLength: 1, maxLength: 128, pattern: '^[^\\u0000-\\u001f\\u007f]+$' });
const Text = Type.String({ maxLength: 1024 });

/** Names of hooks. */
export const RestMethods = Type.Array(Type.Enum([...HOOK_NAMES]), {
  maxItems: 256,
  description: 'hooks that are sent',
});

/** An application: the key that clients name it by, and the back end that is asked and told (rest-hooks.md §2). */
export const Application = Type.Object({
  name: Name,
  /** Clients name the application by it. */
  appKey: Name,
  /** Where hooks are sent: `<url>/<hook>`; empty for nobody, who allows everything. */
  url: Type.String({ maxLength: 2048, description: 'hooks are sent to `<url>/<hook>`; empty: everything is allowed' }),
  owner: Text,
  /** For HTTP Basic authentication at the back end; empty for none. The password is never told. */
  restUsername: Text,
  restMethods: RestMethods,
});

export type Application = Static<typeof Application>;

/** Names one application; one of the two is enough. */
export const ApplicationQuery = Type.Object({
  name: Type.Optional(Name),
  appKey: Type.Optional(Name),
});

export type ApplicationQuery = Static<typeof ApplicationQuery>;

/** What is given to make an application. */
export const NewApplication = Type.Object({
  name: Name,
  appKey: Name,
  url: Type.Optional(Application.properties.url),
  owner: Type.Optional(Text),
  restUsername: Type.Optional(Text),
  restPassword: Type.Optional(Text),
  restMethods: Type.Optional(RestMethods),
});

export type NewApplication = Static<typeof NewApplication>;

/** What can be changed of the application with that `name`; a field that is absent stays as it is. */
export const ApplicationChange = Type.Object({
  ...NewApplication.properties,
  appKey: Type.Optional(Name),
});

export type ApplicationChange = Static<typeof ApplicationChange>;

import { Application, ApplicationChange, ApplicationQuery, NewApplication } from '@sluice/contract';
import Type from 'typebox';
import type { ControlDeps } from '../control-deps.ts';
import { RestError } from '../rest/rest-error.ts';
import { restMethod } from '../rest/rest-method.ts';
import type { ApplicationStore } from './applications/application-store.ts';
import { type StoredApplication, withoutPassword } from './applications/stored-application.ts';

const NOT_THERE = 'there is no such application';
const INVALID = 'a value that can not be, told by the message';
const EXAMPLE = { name: 'shop', appKey: 'shop', url: 'http://127.0.0.1:3000/hooks', restUsername: 'sluice' };

/** `/apps`: the applications and their back ends. WCS has these in its command line only. */
export const APP_METHODS = [
  restMethod({
    path: '/apps/find_all',
    summary: 'Lists all applications.',
    details: 'Passwords are never told.',
    request: Type.Object({}),
    answer: Type.Array(Application),
    errors: {},
    run: ({ deps }) => storeOf(deps).all().map(withoutPassword),
  }),
  restMethod({
    path: '/apps/find',
    summary: 'Gives the application with that name or key.',
    request: ApplicationQuery,
    answer: Application,
    errors: { 404: NOT_THERE },
    example: { appKey: 'shop' },
    run: ({ deps, body }) => withoutPassword(find(storeOf(deps), body)),
  }),
  restMethod({
    path: '/apps/add',
    summary: 'Makes an application: clients that name its `appKey` are asked about at its `url`.',
    details: 'Without `restMethods` all hooks are sent but `StreamKeepAliveEvent`. Kept in `applications.json`.',
    request: NewApplication,
    answer: Application,
    errors: { 400: INVALID, 409: 'another application has that name or key' },
    example: { ...EXAMPLE, restPassword: '…' },
    run: async ({ deps, body }) => withoutPassword(await storeOf(deps).add(body)),
  }),
  restMethod({
    path: '/apps/update',
    summary: 'Changes the application with that name; what is not given stays as it is.',
    details: 'Clients that are connected already are asked about as it says from now on.',
    request: ApplicationChange,
    answer: Application,
    errors: { 400: INVALID, 404: NOT_THERE, 409: 'another application has that key' },
    example: { name: 'shop', url: 'http://127.0.0.1:3001/hooks' },
    run: async ({ deps, body }) => withoutPassword(await storeOf(deps).update(body)),
  }),
  restMethod({
    path: '/apps/remove',
    summary: 'Removes the application with that name or key; clients that name it are refused from now on.',
    request: ApplicationQuery,
    answer: undefined,
    errors: { 404: NOT_THERE },
    example: { name: 'shop' },
    run: async ({ deps, body }) => storeOf(deps).remove(find(storeOf(deps), body).name),
  }),
];

function storeOf({ applications }: ControlDeps): ApplicationStore {
  if (applications === undefined) throw new RestError(501, 'this server has no applications');
  return applications;
}

function find(store: ApplicationStore, { name, appKey }: ApplicationQuery): StoredApplication {
  if (name === undefined && appKey === undefined) throw new RestError(400, 'say which application: name or appKey');
  const found = appKey === undefined ? store.named(name ?? '') : store.get(appKey);
  if (found === undefined || (name !== undefined && found.name !== name)) throw new RestError(404, NOT_THERE);
  return found;
}

import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ControlFixture } from '../testing/control-fixture.ts';
import { AccessRig } from './testing/access-rig.ts';

let rig: AccessRig;
let fixture: ControlFixture;
let base: string;

beforeEach(async () => {
  rig = await AccessRig.start();
  fixture = new ControlFixture();
  const { applications, access } = rig;
  base = await fixture.start({ applications, access }, { checkAnswers: true });
});

afterEach(async () => {
  await fixture.close();
  await rig.close();
});

async function post(path: string, body: unknown = {}): Promise<{ status: number; body: unknown }> {
  const response = await fetch(`${base}${path}`, { method: 'POST', body: JSON.stringify(body), headers: JSON_TYPE });
  const text = await response.text();
  return { status: response.status, body: text === '' ? undefined : (JSON.parse(text) as unknown) };
}

const JSON_TYPE = { 'content-type': 'application/json' };
const SHOP = { name: 'shop', appKey: 'shop', url: 'http://127.0.0.1:1/', restUsername: 'u', restPassword: 'secret' };

describe('/rest-api/apps', () => {
  it('makes, finds, changes and removes applications, and never tells a password', async () => {
    const added = await post('/rest-api/apps/add', SHOP);
    expect(added).toMatchObject({ status: 200, body: { name: 'shop', restUsername: 'u', owner: '' } });
    expect(rig.applications.get('shop')?.restPassword).toBe('secret');
    const changed = await post('/rest-api/apps/update', { name: 'shop', appKey: 'shop2', restMethods: 'connect' });
    expect(changed.body).toMatchObject({ appKey: 'shop2', url: SHOP.url, restMethods: ['connect'] });
    const found = await post('/rest-api/apps/find', { appKey: 'shop2' });
    const all = await post('/rest-api/apps/find_all');
    expect(all.body).toContainEqual(found.body);
    expect(JSON.stringify([added, changed, found, all])).not.toContain('secret');
    expect((await post('/rest-api/apps/remove', { name: 'shop' })).status).toBe(200);
    expect((await post('/rest-api/apps/find', { name: 'shop' })).status).toBe(404);
  });

  it.each([
    ['add', { name: 'x' }, 400],
    ['add', { ...SHOP, appKey: 'app' }, 409],
    ['add', { ...SHOP, url: 'file:///etc/passwd' }, 400],
    ['add', { ...SHOP, restMethods: ['nope'] }, 400],
    ['update', { name: 'nobody', url: '' }, 404],
    ['find', {}, 400],
    ['remove', { appKey: 'nobody' }, 404],
  ])('%s answers to %j with %d', async (method, body, status) => {
    expect((await post(`/rest-api/apps/${method}`, body)).status).toBe(status);
  });
});

describe('/apps/EchoApp', () => {
  it('is a back end that agrees to everything', async () => {
    await rig.applications.update({ name: 'application app', url: `${base}/apps/EchoApp` });
    const client = await rig.connect();
    expect(client.fields).toMatchObject({ custom: { token: 'abc' }, keepAlive: false });
    expect(await post('/apps/EchoApp/connect', { a: 1 })).toEqual({ status: 200, body: { a: 1 } });
  });
});

describe('connections of hooks', () => {
  it('are told by the statistics and by metrics', async () => {
    let answer = (): void => {};
    rig.backEnd.answer = () => new Promise((resolve) => (answer = () => resolve(undefined)));
    const connecting = rig.connect();
    await expect.poll(() => rig.backEnd.received.length).toBe(1);
    const stat = await (await fetch(`${base}/?action=stat&groups=port_stats`)).text();
    expect(stat).toContain('ports_rest_api_leased=1\nports_rest_api_available=0\nports_rest_api_pending=0\n');
    expect(await (await fetch(`${base}/metrics`)).text()).toContain('sluice_hooks_connections{state="leased"} 1');
    answer();
    await connecting;
    await expect
      .poll(async () => (await fetch(`${base}/?action=stat&groups=port_stats`)).text())
      .toContain('ports_rest_api_leased=0\nports_rest_api_available=1\n');
  });
});

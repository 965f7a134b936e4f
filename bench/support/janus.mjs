// Janus (Debian package `janus`) with its video room alone, and the part of its HTTP API that the
// benchmarks use. Nothing outlives the run.
import { execFileSync, spawn } from 'node:child_process';
import { mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePort } from './processes.mjs';

/** Where the package has its plugins. */
function packageFolder() {
  const root = '/usr/lib';
  for (const name of readdirSync(root)) {
    const folder = join(root, name, 'janus');
    try {
      if (readdirSync(folder).includes('plugins')) return folder;
    } catch {
      // Not that one.
    }
  }
  throw new Error('Janus is missing: install the Debian package janus');
}

/** Starts it; gives { name, pid, api, stop }. */
export async function startJanus(folder) {
  const installed = packageFolder();
  const home = join(folder, 'janus');
  for (const part of ['plugins', 'transports', 'events', 'loggers']) mkdirSync(join(home, part), { recursive: true });
  for (const [part, library] of [
    ['plugins', 'libjanus_videoroom.so'],
    ['transports', 'libjanus_http.so'],
  ])
    symlinkSync(join(installed, part, library), join(home, part, library));
  // Its own certificate would be RSA, which our test client does not take.
  execFileSync('openssl', ['ecparam', '-name', 'prime256v1', '-genkey', '-noout', '-out', join(home, 'key.pem')]);
  const request = ['req', '-x509', '-new', '-key', join(home, 'key.pem'), '-subj', '/CN=janus', '-days', '2'];
  execFileSync('openssl', [...request, '-out', join(home, 'cert.pem')]);
  const port = await freePort();
  writeFileSync(
    join(home, 'janus.jcfg'),
    `general: { configs_folder = "${home}"; plugins_folder = "${home}/plugins"; transports_folder = "${home}/transports"
      events_folder = "${home}/events"; loggers_folder = "${home}/loggers"; debug_level = 2; debug_colors = false }
    certificates: { cert_pem = "${home}/cert.pem"; cert_key = "${home}/key.pem" }
    media: { rtp_port_range = "40000-49999" }
    nat: { nice_debug = false }\n`,
  );
  writeFileSync(
    join(home, 'janus.transport.http.jcfg'),
    `general: { json = "compact"; base_path = "/janus"; http = true; port = ${port}; ip = "127.0.0.1"; https = false }
    admin: { admin_http = false }\n`,
  );
  writeFileSync(join(home, 'janus.plugin.videoroom.jcfg'), 'general: { }\n');
  const child = spawn('janus', ['-F', home, '-C', join(home, 'janus.jcfg')], { stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (text) => (output = `${output}${text}`.slice(-4000)));
  const api = new JanusApi(`http://127.0.0.1:${port}/janus`);
  for (let i = 0; ; i++) {
    if (child.exitCode !== null || i === 200) throw new Error(`Janus does not start: ${output}`);
    if (await api.begin().catch(() => false)) break;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  const stop = () =>
    new Promise((resolve) => {
      if (child.exitCode !== null) return resolve();
      child.once('exit', resolve);
      child.kill('SIGTERM');
    });
  return { name: 'janus', pid: child.pid, api, stop };
}

/** One session of the HTTP API. */
class JanusApi {
  #url;
  #session;
  #transactions = 0;

  constructor(url) {
    this.#url = url;
  }

  async begin() {
    const { data } = await this.#post(this.#url, { janus: 'create' });
    this.#session = `${this.#url}/${data.id}`;
    return true;
  }

  /** A handle of the video room. */
  async attach() {
    const { data } = await this.#post(this.#session, { janus: 'attach', plugin: 'janus.plugin.videoroom' });
    return data.id;
  }

  /** A request that is answered at once. */
  async ask(handle, body) {
    const { plugindata } = await this.#post(`${this.#session}/${handle}`, { janus: 'message', body });
    return plugindata.data;
  }

  /** A request that is answered by an event: gives { data, jsep }. */
  async request(handle, body, jsep) {
    const transaction = await this.#send(`${this.#session}/${handle}`, { janus: 'message', body, jsep });
    for (let i = 0; i < 100; i++) {
      const response = await fetch(`${this.#session}?maxev=1`);
      const event = await response.json();
      if (event.transaction !== transaction) continue;
      if (event.error !== undefined) throw new Error(JSON.stringify(event.error));
      const { data } = event.plugindata ?? {};
      if (data?.error !== undefined) throw new Error(data.error);
      return { data, jsep: event.jsep };
    }
    throw new Error('Janus does not answer');
  }

  async #send(url, message) {
    const transaction = String(++this.#transactions);
    await this.#post(url, message, transaction);
    return transaction;
  }

  async #post(url, message, transaction = String(++this.#transactions)) {
    const response = await fetch(url, { method: 'POST', body: JSON.stringify({ ...message, transaction }) });
    const answer = await response.json();
    if (answer.janus === 'error') throw new Error(JSON.stringify(answer.error));
    return answer;
  }
}

import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { Ffmpeg } from './support/ffmpeg.ts';
import { Program } from './support/program.ts';
import { TestServer } from './support/server.ts';
import { WebRtcPages } from './support/webrtc/pages.ts';

/** A camera that is not real, no questions, nothing that Firefox would do on its own. */
const PREFERENCES = {
  'media.navigator.streams.fake': true,
  'media.navigator.permission.disabled': true,
  'media.autoplay.default': 0,
  'media.peerconnection.ice.loopback': true,
  'media.peerconnection.ice.obfuscate_host_addresses': false,
  'app.update.auto': false,
  'app.normandy.enabled': false,
  'browser.aboutwelcome.enabled': false,
  'browser.shell.checkDefaultBrowser': false,
  'datareporting.policy.dataSubmissionEnabled': false,
  'media.gmp-manager.updateEnabled': false,
  'network.captive-portal-service.enabled': false,
  'network.connectivity-service.enabled': false,
  'toolkit.telemetry.reportingpolicy.firstRun': false,
};

/** What the page in Firefox tells every half second. */
interface Report {
  readonly publisher: string;
  readonly player: string;
  readonly framesSent: number;
  readonly framesDecoded: number;
  readonly soundPackets: number;
  readonly error: string;
}

let server: TestServer;
let site: Server;
let firefox: Program;
let profile: string;
let report: Report | undefined;

beforeAll(async () => {
  server = await TestServer.start();
  site = createServer((request, response) => {
    if (request.method === 'POST') {
      let text = '';
      request.on('data', (chunk) => (text += String(chunk)));
      request.on('end', () => {
        report = JSON.parse(text) as Report;
        response.end();
      });
      return;
    }
    response.setHeader('content-type', 'text/html');
    response.end(
      `<!doctype html><script type="module">(${String(runInFirefox)})(${JSON.stringify(server.http(''))})</script>`,
    );
  }).listen(0, 'localhost');
  await once(site, 'listening');
  const address = site.address();
  profile = mkdtempSync(join(tmpdir(), 'sluice-firefox-'));
  const lines = Object.entries(PREFERENCES).map(([name, value]) => `user_pref("${name}", ${JSON.stringify(value)});`);
  writeFileSync(join(profile, 'user.js'), lines.join('\n'));
  const url = `http://localhost:${typeof address === 'object' && address !== null ? address.port : 0}/`;
  firefox = new Program('firefox-esr', ['--headless', '--no-remote', '--profile', profile, url], {
    env: { ...process.env, HOME: profile, MOZ_DISABLE_CONTENT_SANDBOX: '1' },
  });
});

afterAll(async () => {
  await firefox.stop('SIGTERM');
  site.close();
  rmSync(profile, { recursive: true, force: true });
  await server.stop();
});

/** Publishes the camera, plays it back, and reports. Runs in the page, so it uses nothing from outside. */
async function runInFirefox(base: string): Promise<void> {
  const publisher = new RTCPeerConnection();
  const player = new RTCPeerConnection();
  let error = '';
  const exchange = async (peer: RTCPeerConnection, path: string): Promise<void> => {
    await peer.setLocalDescription();
    const headers = { 'content-type': 'application/sdp' };
    const body = peer.localDescription?.sdp ?? '';
    const response = await fetch(`${base}${path}`, { method: 'POST', headers, body });
    const text = await response.text();
    if (response.status !== 201) throw new Error(`${response.status} ${text}`);
    await peer.setRemoteDescription({ type: 'answer', sdp: text });
  };
  const stat = async (peer: RTCPeerConnection, wanted: { type: string; kind: string; name: string }) => {
    let value = 0;
    for (const entry of (await peer.getStats()).values() as Iterable<Record<string, unknown>>)
      if (entry['type'] === wanted.type && entry['kind'] === wanted.kind) value = Number(entry[wanted.name] ?? 0);
    return value;
  };
  const tell = async (): Promise<void> => {
    const told = {
      publisher: publisher.connectionState,
      player: player.connectionState,
      framesSent: await stat(publisher, { type: 'outbound-rtp', kind: 'video', name: 'framesEncoded' }),
      framesDecoded: await stat(player, { type: 'inbound-rtp', kind: 'video', name: 'framesDecoded' }),
      soundPackets: await stat(player, { type: 'inbound-rtp', kind: 'audio', name: 'packetsReceived' }),
      error,
    };
    await fetch('/', { method: 'POST', body: JSON.stringify(told) });
  };
  setInterval(() => void tell(), 500);
  try {
    const camera = await navigator.mediaDevices.getUserMedia({ video: true, audio: true });
    for (const track of camera.getTracks())
      publisher.addTransceiver(track, { direction: 'sendonly', streams: [camera] });
    await exchange(publisher, '/whip/from-firefox');
    const video = document.createElement('video');
    video.muted = true;
    video.autoplay = true;
    document.body.append(video);
    const stream = new MediaStream();
    video.srcObject = stream;
    player.addEventListener('track', ({ track }) => stream.addTrack(track));
    player.addTransceiver('audio', { direction: 'recvonly' });
    player.addTransceiver('video', { direction: 'recvonly' });
    while (publisher.connectionState !== 'connected') await new Promise((resolve) => setTimeout(resolve, 100));
    await exchange(player, '/whep/from-firefox');
  } catch (thrown) {
    error = String(thrown);
  }
}

describe('Firefox', () => {
  it('publishes by WHIP and plays what it publishes by WHEP', async () => {
    await vi.waitFor(
      () => {
        expect(report, firefox.stderr).toMatchObject({ publisher: 'connected', player: 'connected', error: '' });
        expect(report?.framesDecoded).toBeGreaterThan(50);
        expect(report?.soundPackets).toBeGreaterThan(100);
      },
      { timeout: 60_000, interval: 200 },
    );
  });

  it('is seen in Chromium by WHEP', async () => {
    const pages = await WebRtcPages.start();
    const player = await pages.play(server.http('/whep/from-firefox'));
    const facts = await player.until(({ framesDecoded }) => framesDecoded > 50);
    expect(facts.packetsLost).toBeLessThan(20);
    await pages.close();
  });

  it('is seen and heard by an RTMP player', async () => {
    const player = new Ffmpeg([
      '-v',
      'info',
      '-i',
      server.rtmp('from-firefox'),
      '-t',
      '3',
      '-af',
      'volumedetect',
      '-f',
      'null',
      '-',
    ]);
    expect(await player.exited, player.stderr).toBe(0);
    expect(player.stderr).toMatch(/frame= +\d{2}/);
    expect(Number(/max_volume: (-?[\d.]+) dB/.exec(player.stderr)?.[1])).toBeGreaterThan(-40);
  });
});

import { chromium, type Page } from 'playwright-core';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { ThroughRelays } from './support/impairment/through.ts';
import { UdpRelay } from './support/impairment/udp-relay.ts';
import { TestServer } from './support/server.ts';
import { WebRtcPages } from './support/webrtc/pages.ts';

const CODEC = process.env['CODEC'] ?? 'VP8';
let server: TestServer;
let pages: WebRtcPages;
beforeAll(async () => {
  server = await TestServer.start({});
  pages = await WebRtcPages.start();
}, 60_000);
afterAll(async () => {
  await pages.close();
  await server.stop();
});

async function publish(url: string): Promise<Page> {
  const page = await (await pages.browser.newContext()).newPage();
  page.on('console', (m) => console.log('pub:', m.text()));
  await page.goto(pages.origin);
  await page.evaluate(async ({ url, codec }) => {
    const canvas = document.createElement('canvas');
    canvas.width = 640; canvas.height = 360;
    const c = canvas.getContext('2d')!;
    setInterval(() => {
      for (let i = 0; i < 60; i++) {
        c.fillStyle = `rgb(${Math.random() * 255},${Math.random() * 255},${Math.random() * 255})`;
        c.fillRect(Math.random() * 640, Math.random() * 360, 60, 40);
      }
    }, 50);
    const stream = canvas.captureStream(20);
    const peer = new RTCPeerConnection();
    (window as any).pub = peer;
    const tr = peer.addTransceiver(stream.getVideoTracks()[0]!, {
      direction: 'sendonly',
      sendEncodings: [
        { rid: 'l', scaleResolutionDownBy: 4, maxBitrate: 80_000 },
        { rid: 'm', scaleResolutionDownBy: 2, maxBitrate: 250_000 },
        { rid: 'h', maxBitrate: 900_000 },
      ],
    });
    const all = RTCRtpSender.getCapabilities('video')!.codecs;
    tr.setCodecPreferences(all.filter(({ mimeType }) => mimeType === `video/${codec}` || mimeType === 'video/rtx'));
    await peer.setLocalDescription();
    while (peer.iceGatheringState !== 'complete') await new Promise((r) => setTimeout(r, 20));
    const answer = await fetch(url, { method: 'POST', headers: { 'content-type': 'application/sdp' }, body: peer.localDescription!.sdp });
    await peer.setRemoteDescription({ type: 'answer', sdp: await answer.text() });
  }, { url, codec: CODEC });
  return page;
}

const pubStats = (page: Page) =>
  page.evaluate(async () => {
    const out: string[] = [];
    for (const s of (await ((window as any).pub as RTCPeerConnection).getStats()).values())
      if (s.type === 'outbound-rtp') out.push(`${s.rid} ${s.frameWidth} ${s.framesSent} ${s.bytesSent} active=${s.active}`);
    return out;
  });

const playStats = (page: Page) =>
  page.evaluate(async () => {
    for (const s of (await ((window as any).player as RTCPeerConnection).getStats()).values())
      if (s.type === 'inbound-rtp' && s.kind === 'video')
        return { w: s.frameWidth, dec: s.framesDecoded, rec: s.framesReceived, drop: s.framesDropped, key: s.keyFramesDecoded, freeze: s.freezeCount, tot: s.totalFreezesDuration, nack: s.nackCount, pli: s.pliCount, lost: s.packetsLost, jb: (s.jitterBufferDelay / (s.jitterBufferEmittedCount || 1)).toFixed(3) };
    return undefined;
  });

async function explain(): Promise<string> {
  const overview: any = await (await fetch(server.http('/api/overview'))).json().catch(() => ({}));
  const layers = JSON.stringify(overview?.streams?.[0]?.layers);
  return layers;
}

it('plays layers', { timeout: 120_000 }, async () => {
  const relay = await UdpRelay.open(server.ports.media);
  const before = await ThroughRelays.open(server.httpPort, { udp: { port: relay.port } });
  const publisher = await publish(server.http('/whip/sim'));
  await server.untilLive('sim');
  await new Promise((r) => setTimeout(r, 4000));
  console.log(await pubStats(publisher), await explain());
  const player = await pages.play(before.http('/whep/sim'), { audio: false });
  const watch = async (s: number, label: string) => {
    for (let i = 0; i < s; i++) {
      await new Promise((r) => setTimeout(r, 1000));
      console.log(label, i, JSON.stringify(await playStats(player.page)));
    }
  };
  const why = async () => {
    const all: any = await (await fetch(server.http('/rest-api/stream/explain'), { method: 'POST', body: JSON.stringify({ name: 'sim' }) })).json().catch(() => ({}));
    for (const row of JSON.stringify(all).match(/"(quality|qualityReason|bandwidthBps|layer|pictureLimit|framesLeftOut|queueMs|delayMs)":("[^"]*"|\{[^}]*\}|[^,}]*)/g) ?? []) process.stdout.write(row + ' ');
    console.log();
  };
  await watch(8, 'free'); await why();
  console.log(await pubStats(publisher), await explain());
  for (const kbps of [400, 150]) {
    relay.change({ bitrate: kbps * 1000 }, ['down']);
    await watch(8, `${kbps}`); await why();
  }
  relay.change({ bitrate: 0 }, ['down']);
  await watch(12, 'again'); await why();
  console.log(await pubStats(publisher), await explain());
  await player.close();
  await before.close(); await relay.close();
  await new Promise((r) => setTimeout(r, 13000));
  console.log('nobody', await pubStats(publisher), await explain());
  console.log(server.output.split('\n').filter((l) => /quality|error|warn/i.test(l)).join('\n'));
});

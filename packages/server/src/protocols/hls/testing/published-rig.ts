import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { request as httpRequest, type IncomingHttpHeaders } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type MediaPacket, Mp4Reader } from '@sluice/media';
import { afterEach, beforeAll, expect } from 'vitest';
import {
  Adaptations,
  OPEN_ACCESS,
  type Publisher,
  SessionRegistry,
  type Stream,
  StreamRegistry,
  type StreamResolver,
} from '../../../core/index.ts';
import type { HlsOptions } from '../options.ts';
import { HlsServer } from '../server.ts';
import { fakeCounters, fakeLog, ManualTicker, PUBLISHER } from './fakes.ts';

/** 6.5 s of picture and sound, made once a process. */
export let packets: MediaPacket[] = [];
/** The same without picture. */
export let audioPackets: MediaPacket[] = [];

async function makePackets(args: string[]): Promise<MediaPacket[]> {
  const directory = mkdtempSync(join(tmpdir(), 'sluice-hls-'));
  const path = join(directory, 'clip.mp4');
  execFileSync('ffmpeg', ['-v', 'error', ...args, path]);
  const bytes = readFileSync(path);
  rmSync(directory, { recursive: true });
  const reader = await Mp4Reader.open({
    size: bytes.length,
    read: (offset, length) => Promise.resolve(Uint8Array.from(bytes.subarray(offset, offset + length))),
  });
  const result: MediaPacket[] = [];
  for await (const packet of reader.readPackets()) result.push(packet);
  return result;
}

async function makeClips(): Promise<void> {
  if (packets.length > 0) return;
  const video = ['-f', 'lavfi', '-i', 'testsrc2=size=160x120:rate=30:duration=6.5'];
  const audio = ['-f', 'lavfi', '-i', 'sine=sample_rate=44100:duration=6.5'];
  const codecs = ['-c:v', 'libx264', '-preset', 'veryfast', '-g', '30', '-bf', '2', '-pix_fmt', 'yuv420p'];
  packets = await makePackets([...video, ...audio, ...codecs, '-c:a', 'aac', '-ac', '2']);
  audioPackets = await makePackets([...audio, '-c:a', 'aac']);
}

/** A server on a port of its own, and all that it is given. */
export interface Rig {
  readonly streams: StreamRegistry;
  readonly sessions: SessionRegistry;
  readonly ticker: ManualTicker;
  readonly log: ReturnType<typeof fakeLog>;
  readonly counters: ReturnType<typeof fakeCounters>;
  readonly server: HlsServer;
  readonly base: string;
}
const rigs: Rig[] = [];

/** A server that `useRigs` lets go of. */
export async function makeRig(options: Partial<HlsOptions> = {}, resolvers: StreamResolver[] = []): Promise<Rig> {
  const streams = new StreamRegistry({ reconnectWaitMs: 0, maxStreams: 10 });
  const sessions = new SessionRegistry();
  const ticker = new ManualTicker();
  const log = fakeLog();
  const counters = fakeCounters();
  const adaptations = new Adaptations({ converter: undefined, log, counters });
  const deps = { streams, sessions, resolvers, adaptations, access: OPEN_ACCESS, log, counters, ticker };
  const server = new HlsServer(deps, { host: '127.0.0.1', port: 0, startWaitMs: 5000, autoStart: true, ...options });
  await server.start();
  const rig = { ...deps, server, base: `http://127.0.0.1:${server.port}` };
  rigs.push(rig);
  return rig;
}

/** To be called once by each file of tests: makes what is published, and sees that everything is let go after each test. */
export function useRigs(): void {
  beforeAll(makeClips, 60_000);
  afterEach(letGo);
}

async function letGo(): Promise<void> {
  for (const rig of rigs.splice(0)) {
    await rig.server.close();
    await rig.server.close();
    expect(rig.sessions.size).toBe(0);
    expect(rig.ticker.listeners.size).toBe(0);
    expect(rig.server.heldRequests).toBe(0);
    for (const stream of rig.streams.all()) expect([stream.readerCount, stream.viewers]).toEqual([0, 0]);
    rig.streams.close();
    expect(rig.log.problems).toEqual([]);
  }
}

export interface Answer {
  status: number;
  headers: IncomingHttpHeaders;
  body: Buffer;
  text: string;
}

/** A bare request: fetch would repair broken paths and hide headers. */
export function get(
  url: string,
  options: { method?: string; headers?: Record<string, string>; signal?: AbortSignal } = {},
) {
  return new Promise<Answer>((resolve, reject) => {
    const { host, port, path } = /^http:\/\/(?<host>[^:/]+):(?<port>\d+)(?<path>.*)$/.exec(url)?.groups ?? {};
    const sent = httpRequest({ host, port, path, agent: false, ...options }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () => {
        const body = Buffer.concat(chunks);
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body, text: body.toString() });
      });
    });
    sent.on('error', reject);
    sent.end();
  });
}

/** A stream with all of a clip. */
export function publish(rig: Rig, name = 'test', list = packets, publisher: Publisher = PUBLISHER): Stream {
  const stream = rig.streams.publish(name, publisher);
  push(stream, list);
  return stream;
}

/** Tracks are declared first, as publishers do. */
export function push(stream: Stream, list: readonly MediaPacket[], offsetUs = 0): void {
  for (const track of new Set(list.map((p) => p.track))) stream.setTrack(track);
  for (const p of list) stream.publish({ ...p, dtsUs: p.dtsUs + offsetUs, ptsUs: p.ptsUs + offsetUs });
}

/** Uris of a playlist, and those of its EXT-X-MAP tags. */
export const urisOf = (playlist: string) =>
  playlist.split('\n').filter((line) => line.length > 0 && !line.startsWith('#'));
export const mapsOf = (playlist: string) => [...playlist.matchAll(/EXT-X-MAP:URI="([^"]+)"/g)].map((m) => m[1]);

/** Number of the first segment. */
export const sequenceOf = (playlist: string) => Number(/MEDIA-SEQUENCE:(\d+)/.exec(playlist)?.[1]);

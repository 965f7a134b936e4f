import { type ChildProcess, spawn } from 'node:child_process';
import { type MediaPacket, TsDemuxer } from '@sluice/media';
import { expect, vi } from 'vitest';
import type { AccessControl, Publisher, SrtTransport, Stream } from '../../../../core/index.ts';
import { testHub } from '../../../../core/testing/hub.ts';
import { Ticker } from '../../../../io/index.ts';
import type { SrtServerOptions } from '../options.ts';
import { SrtServer } from '../server.ts';
import { RawCaller } from './raw-caller.ts';

export const WAIT = { timeout: 15_000, interval: 20 };

/** Something that is seen and heard, at the speed of life, until it is killed. */
export const SCENE = [
  ...['-re', '-f', 'lavfi', '-i', 'testsrc2=s=320x180:r=25', '-re', '-f', 'lavfi', '-i', 'sine=sample_rate=48000'],
  ...['-c:v', 'libx264', '-preset', 'ultrafast', '-tune', 'zerolatency', '-g', '12', '-pix_fmt', 'yuv420p'],
  ...['-c:a', 'aac', '-f', 'mpegts'],
];

/** The common SRT port on loopback, with a hub of its own, and the programs that a test runs. */
export class SrtRig {
  readonly hub: ReturnType<typeof testHub>;
  readonly ticker = new Ticker();
  readonly server: SrtServer;
  readonly #children: ChildProcess[] = [];
  readonly #callers: RawCaller[] = [];

  private constructor(srt: SrtTransport, options: Partial<SrtServerOptions>, access: AccessControl | undefined) {
    const parts = testHub();
    this.hub = access === undefined ? parts : { ...parts, access };
    const deps = { ...this.hub, resolvers: [], ticker: this.ticker, srt };
    this.server = new SrtServer(deps, { address: '127.0.0.1', port: 0, latencyMs: 40, playWaitMs: 200, ...options });
  }

  static async start(
    srt: SrtTransport,
    options: Partial<SrtServerOptions> = {},
    access?: AccessControl,
  ): Promise<SrtRig> {
    const rig = new SrtRig(srt, options, access);
    await rig.server.start();
    return rig;
  }

  url(streamId: string, more = ''): string {
    return `srt://127.0.0.1:${this.server.port}?streamid=${streamId}${more}`;
  }

  run(program: string, args: readonly string[]): { readonly child: ChildProcess; readonly output: () => Buffer } {
    const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'] });
    const chunks: Buffer[] = [];
    child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
    child.stderr.resume();
    this.#children.push(child);
    return { child, output: () => Buffer.concat(chunks) };
  }

  /** FFmpeg that publishes a scene. */
  publish(streamId: string, more = ''): ChildProcess {
    return this.run('ffmpeg', ['-v', 'error', ...SCENE, this.url(streamId, more)]).child;
  }

  /** srt-live-transmit that plays; `output` is the transport stream. */
  play(streamId: string, more = ''): { readonly child: ChildProcess; readonly output: () => Buffer } {
    return this.run('srt-live-transmit', ['-q', '-a', 'no', this.url(streamId, more), 'file://con']);
  }

  async caller(): Promise<RawCaller> {
    const caller = await RawCaller.to(this.server.port);
    this.#callers.push(caller);
    return caller;
  }

  /** A stream that somebody else publishes. */
  stream(name: string): Stream {
    const publisher: Publisher = { sessionId: `test ${name}`, close: () => undefined };
    return this.hub.streams.publish(name, publisher);
  }

  /** Both tracks of a stream have come. */
  async live(name: string): Promise<Stream> {
    return vi.waitFor(() => {
      const stream = this.hub.streams.get(name);
      expect([stream?.state.video?.codec, stream?.state.audio?.codec]).toEqual(['h264', 'aac']);
      if (stream === undefined) throw new Error('no stream');
      return stream;
    }, WAIT);
  }

  /** Ends everything; fails when something is left. */
  async close(): Promise<void> {
    for (const child of this.#children) child.kill('SIGKILL');
    for (const caller of this.#callers) caller.close();
    await this.server.close();
    this.hub.adaptations.close();
    expect(this.hub.sessions.size).toBe(0);
    expect(this.hub.connections.size).toBe(0);
    expect(this.server.sessionCount).toBe(0);
    for (const stream of this.hub.streams.all()) expect([stream.readerCount, stream.viewers]).toEqual([0, 0]);
    this.hub.streams.close();
  }
}

/** What a transport stream holds. */
export function demuxed(bytes: Uint8Array): { readonly packets: MediaPacket[]; readonly broken: number } {
  const packets: MediaPacket[] = [];
  const demuxer = new TsDemuxer({
    onTrack: () => undefined,
    onPacket: (packet) => packets.push(packet),
    onNote: () => undefined,
  });
  demuxer.push(bytes);
  demuxer.flush();
  return { packets, broken: demuxer.counts.broken + demuxer.counts.gaps };
}

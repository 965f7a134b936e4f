import { writeAacConfigTag, writeAvcConfig, writeAvcConfigTag, writeAvcFrameTag } from '@sluice/media';
import { expect } from 'vitest';
import type { AccessControl, Converter, StreamResolver } from '../../../core/index.ts';
import { testHub } from '../../../core/testing/hub.ts';
import { Ticker } from '../../../io/index.ts';
import { DEFAULT_RTMP_OPTIONS, type RtmpOptions } from '../options.ts';
import { RtmpServer } from '../server.ts';
import { MESSAGE } from '../wire/chunk-writer.ts';
import { SAMPLE_PPS, SAMPLE_SPS, TestClient } from './client.ts';

export const AVC_CONFIG = writeAvcConfigTag(writeAvcConfig([SAMPLE_SPS, SAMPLE_PPS]));
/** AAC-LC, 48 kHz, stereo. */
export const ASC = Uint8Array.of(0x11, 0x90);

/** A video message's body that looks like a picture. */
export function avcFrame(key: boolean, bytes = 500): Uint8Array {
  const unit = new Uint8Array(bytes).fill(0x5a);
  unit[0] = key ? 0x65 : 0x41;
  return writeAvcFrameTag([unit], key, 0);
}

/** An RTMP server on a free port with a hub of its own, and the clients that a test connects to it. */
export class RtmpRig {
  readonly hub: ReturnType<typeof testHub>;
  readonly server: RtmpServer;
  readonly clients: TestClient[] = [];

  private constructor(hub: ReturnType<typeof testHub>, server: RtmpServer) {
    this.hub = hub;
    this.server = server;
  }

  static async start(options: Partial<RtmpOptions> = {}, reconnectWaitMs = 0, converter?: Converter): Promise<RtmpRig> {
    return RtmpRig.#start(testHub(reconnectWaitMs, converter), options);
  }

  /** A server whose peers `access` decides about. */
  static async guardedBy(access: AccessControl, options: Partial<RtmpOptions> = {}): Promise<RtmpRig> {
    return RtmpRig.#start({ ...testHub(), access }, options);
  }

  /** A server whose peers may play what those resolvers make live. */
  static async withResolvers(resolvers: readonly StreamResolver[]): Promise<RtmpRig> {
    return RtmpRig.#start(testHub(), {}, resolvers);
  }

  static async #start(
    hub: RtmpRig['hub'],
    options: Partial<RtmpOptions>,
    resolvers: readonly StreamResolver[] = [],
  ): Promise<RtmpRig> {
    const deps = { ...hub, resolvers, ticker: new Ticker() };
    const listen = [{ host: '127.0.0.1', port: 0 }];
    const server = new RtmpServer(deps, { ...DEFAULT_RTMP_OPTIONS, listen, playWaitMs: 50, ...options });
    await server.start();
    return new RtmpRig(hub, server);
  }

  /** A peer that has connected to the application `app`; `extra` goes into its connect command. */
  async client(app?: string, extra: Parameters<typeof TestClient.connect>[2] = {}): Promise<TestClient> {
    const made = await TestClient.connect(this.server.port, app, extra);
    this.clients.push(made);
    return made;
  }

  /** A peer that publishes and has sent the configuration of H.264 and AAC. */
  async publisher(name: string, app?: string): Promise<TestClient> {
    const made = await this.client(app);
    await made.publish(name);
    made.send(MESSAGE.video, AVC_CONFIG);
    made.send(MESSAGE.audio, writeAacConfigTag(ASC));
    return made;
  }

  /** Ends everything and checks that nothing is left. */
  async close(): Promise<void> {
    await Promise.all(this.clients.map((c) => c.close()));
    await this.server.close();
    this.hub.adaptations.close();
    this.hub.streams.close();
    expect(this.hub.connections.size).toBe(0);
    expect(this.hub.sessions.size).toBe(0);
    expect(this.hub.streams.size).toBe(0);
  }
}

import { createSocket, type Socket } from 'node:dgram';
import { type MediaPacket, writeRtp } from '@sluice/media';
import { expect } from 'vitest';
import type { Stream, TransportStreamInput, TransportStreamStart } from '../../../core/index.ts';
import { testHub } from '../../../core/testing/hub.ts';
import { Ticker } from '../../../io/index.ts';
import type { TransportStreamOptions } from '../options.ts';
import { TransportStreamServer } from '../server.ts';

/** Transport packets in a datagram, as everybody sends them. */
export const DATAGRAM_BYTES = 7 * 188;

/** A server of transport streams on loopback, with a hub of its own. */
export class MpegtsRig {
  readonly hub = testHub();
  readonly server: TransportStreamServer;
  readonly #senders: UdpSender[] = [];

  constructor(options: Partial<TransportStreamOptions> = {}) {
    this.server = new TransportStreamServer(
      { ...this.hub, ticker: new Ticker() },
      { address: '127.0.0.1', ports: { from: 0, to: 0 }, senderSilenceMs: 100, ...options },
    );
  }

  /** Opens an input; `packets` gets all that goes into its stream. */
  async input(start: Partial<TransportStreamStart> = {}): Promise<{
    readonly facts: TransportStreamInput;
    readonly port: number;
    readonly stream: Stream;
    readonly packets: MediaPacket[];
  }> {
    const streamName = start.streamName ?? 'ts';
    const facts = await this.server.startup({ transport: 'udp', ...start, streamName });
    const stream = this.hub.streams.get(streamName);
    if (stream === undefined) throw new Error('the name was not taken');
    return { facts, port: Number(facts.uri.split(':').at(-1)), stream, packets: packetsOf(stream) };
  }

  async sender(port: number): Promise<UdpSender> {
    const sender = await UdpSender.to(port);
    this.#senders.push(sender);
    return sender;
  }

  /** Ends all; fails when something is left. */
  async close(): Promise<void> {
    for (const sender of this.#senders) sender.close();
    await this.server.close();
    expect(this.server.all()).toEqual([]);
    expect(this.hub.sessions.size).toBe(0);
    expect(this.hub.streams.size).toBe(0);
  }
}

/** Keeps all that is published into a stream from now on. */
function packetsOf(stream: Stream): MediaPacket[] {
  const packets: MediaPacket[] = [];
  const publish = stream.publish.bind(stream);
  stream.publish = (packet) => {
    packets.push(packet);
    publish(packet);
  };
  return packets;
}

/** Sends datagrams to a port of loopback, a few at a time, so that none is lost on the way. */
export class UdpSender {
  readonly #socket: Socket;

  private constructor(socket: Socket) {
    this.#socket = socket;
  }

  static async to(port: number): Promise<UdpSender> {
    const socket = createSocket('udp4');
    await new Promise<void>((resolve) => socket.connect(port, '127.0.0.1', resolve));
    return new UdpSender(socket);
  }

  async send(datagrams: readonly Uint8Array[]): Promise<void> {
    for (const [i, datagram] of datagrams.entries()) {
      await new Promise<void>((resolve) => this.#socket.send(datagram, () => resolve()));
      if (i % 16 === 15) await new Promise((resolve) => setTimeout(resolve, 2));
    }
  }

  close(): void {
    this.#socket.close();
  }
}

/** Cuts a transport stream into datagrams. */
export function datagramsOf(bytes: Uint8Array, size = DATAGRAM_BYTES): Uint8Array[] {
  const datagrams: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; at += size) datagrams.push(bytes.subarray(at, at + size));
  return datagrams;
}

/** Puts datagrams into RTP (RFC 2250), numbered from `first` on. */
export function inRtp(datagrams: readonly Uint8Array[], first = 65_500, ssrc = 7): Uint8Array[] {
  return datagrams.map((payload, i) =>
    writeRtp({ payloadType: 33, marker: false, sequence: (first + i) & 0xffff, timestamp: i * 900, ssrc }, payload),
  );
}

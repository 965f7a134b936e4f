import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { isIPv6 } from 'node:net';
import { plainAddress, type Ticker } from '../../io/index.ts';
import { type InputPort, type InputPortEvents, type InputPortOpen, openInRange } from './input-port.ts';
import { type SenderFormat, senderFormatOf } from './sender.ts';

/** This many datagrams of RTP in a row hold so many transport packets that their counters may have gone round. */
const COUNTERS_GO_ROUND = 3;

export interface UdpInputOpen extends InputPortOpen {
  /** A multicast group to join. */
  readonly group?: string | undefined;
  readonly receiveBufferBytes: number;
  /** Another sender is listened to when the one before has been silent for this long. */
  readonly senderSilenceMs: number;
  readonly ticker: Ticker;
}

export interface UdpInputEvents extends InputPortEvents {
  /** So much is missing that the counters of transport packets can't be trusted to tell. */
  onLost(): void;
}

/**
 * Opens a UDP port for one transport stream, plain or in RTP. The first sender whose datagrams hold one is listened to,
 * and no other until it has been silent for a while.
 * @throws MediaServerError PORT_IN_USE; what the system says when the address or group can't be used
 */
export async function openUdpInput(open: UdpInputOpen, events: UdpInputEvents): Promise<InputPort> {
  const { opened } = await openInRange(open.ports, (port) => bound(open, port));
  return new UdpInput(opened, open, events);
}

async function bound({ address, group, receiveBufferBytes }: UdpInputOpen, port: number): Promise<Socket> {
  const socket = createSocket({ type: isIPv6(group ?? address) ? 'udp6' : 'udp4' });
  try {
    await new Promise<void>((resolve, reject) => {
      socket.once('error', reject);
      // Datagrams to a group come to no address of this machine.
      const own = group === undefined ? address : isIPv6(group) ? '::' : '0.0.0.0';
      socket.bind({ port, address: own, exclusive: true }, resolve);
    });
    if (group !== undefined) socket.addMembership(group, isAny(address) ? undefined : address);
  } catch (error) {
    socket.close();
    throw error;
  }
  socket.removeAllListeners('error');
  try {
    socket.setRecvBufferSize(receiveBufferBytes);
  } catch {
    // A smaller buffer than wished for is no reason not to serve.
  }
  return socket;
}

interface Sender {
  readonly address: string;
  readonly port: number;
  readonly format: SenderFormat;
}

class UdpInput implements InputPort {
  readonly port: number;
  readonly #socket: Socket;
  readonly #open: UdpInputOpen;
  readonly #events: UdpInputEvents;
  readonly #tick: Disposable;
  #sender: Sender | undefined;
  #heardMs = 0;
  #closing: Promise<void> | undefined;

  constructor(socket: Socket, open: UdpInputOpen, events: UdpInputEvents) {
    this.#socket = socket;
    this.#open = open;
    this.#events = events;
    this.port = socket.address().port;
    socket.on('message', (datagram, source) => this.#datagram(datagram, source));
    socket.on('error', (error) => void this.#fail(error.message));
    this.#tick = open.ticker.on((nowMs) => this.#sender?.format.check(nowMs));
  }

  close(): Promise<void> {
    this.#closing ??= new Promise((resolve) => {
      this.#tick[Symbol.dispose]();
      this.#socket.close(() => resolve());
    });
    return this.#closing;
  }

  async #fail(message: string): Promise<void> {
    if (this.#closing !== undefined) return;
    await this.close();
    this.#events.onClosed(`the UDP port failed: ${message}`);
  }

  #datagram(datagram: Buffer, source: RemoteInfo): void {
    if (this.#closing !== undefined) return;
    const nowMs = performance.now();
    let sender = this.#sender;
    if (sender?.port !== source.port || sender.address !== source.address) {
      sender = this.#newSender(datagram, source, nowMs);
      if (sender === undefined) return;
    }
    this.#heardMs = nowMs;
    sender.format.push(datagram, nowMs);
  }

  #newSender(datagram: Buffer, source: RemoteInfo, nowMs: number): Sender | undefined {
    const address = plainAddress(source.address);
    if (!this.#open.allowed.allows(address)) {
      this.#events.onDenied(1);
      return undefined;
    }
    if (this.#sender !== undefined && nowMs - this.#heardMs < this.#open.senderSilenceMs) return undefined;
    const format = senderFormatOf(datagram, {
      onPayload: (payload) => this.#events.onData(payload),
      onGap: (packets) => {
        if (packets >= COUNTERS_GO_ROUND) this.#events.onLost();
      },
    });
    if (format === undefined) return undefined;
    this.#sender = { address: source.address, port: source.port, format };
    this.#events.onSender(address);
    return this.#sender;
  }
}

function isAny(address: string): boolean {
  return address === '0.0.0.0' || address === '::';
}

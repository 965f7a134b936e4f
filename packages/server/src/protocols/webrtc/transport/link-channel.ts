import { SRTP_PROFILES, SrtpReceiver, SrtpSender } from '@sluice/native/srtp';
import { isRtcp } from './demux.ts';
import type { MediaChannel, MediaKeys, MediaReceiver, MediaRejections } from './media-channel.ts';

/** Space for what encryption adds to a packet. */
const PROTECTION_BYTES = Math.max(...Object.values(SRTP_PROFILES).map(({ rtcpOverhead }) => rtcpOverhead));

/** Media of a peer with a port of its own: encrypted here, packet by packet, and sent by its link. */
export class LinkChannel implements MediaChannel {
  readonly shared = undefined;
  bytesOut = 0;
  readonly #sender: SrtpSender;
  readonly #receiver: SrtpReceiver;
  readonly #media: MediaReceiver;
  readonly #send: (datagram: Buffer) => boolean;
  #closed = false;

  /** `send`: as that of a link. */
  constructor(keys: MediaKeys, media: MediaReceiver, send: (datagram: Buffer) => boolean) {
    this.#sender = new SrtpSender(keys.profile, keys.local, { allowRepeats: keys.allowRepeats });
    this.#receiver = new SrtpReceiver(keys.profile, keys.remote);
    this.#media = media;
    this.#send = send;
  }

  get rejections(): MediaRejections {
    return this.#receiver.counters;
  }

  // Hot path: once per packet.
  sendRtp(packet: Buffer, length: number): boolean {
    if (this.#closed) return true;
    const bytes = this.#sender.protectRtp(packet, length);
    if (bytes === 0) return true;
    this.bytesOut += length;
    return this.#send(packet.subarray(0, bytes));
  }

  sendRtcp(packet: Uint8Array): void {
    if (this.#closed) return;
    const buffer = Buffer.allocUnsafe(packet.length + PROTECTION_BYTES);
    buffer.set(packet);
    const bytes = this.#sender.protectRtcp(buffer, packet.length);
    if (bytes > 0) this.#send(buffer.subarray(0, bytes));
  }

  receive(datagram: Buffer, nowMs: number): void {
    if (this.#closed) return;
    const ofRtcp = isRtcp(datagram);
    const packet = ofRtcp ? this.#receiver.unprotectRtcp(datagram) : this.#receiver.unprotectRtp(datagram);
    if (packet === undefined) return;
    if (ofRtcp) this.#media.onRtcp(packet, nowMs);
    else this.#media.onRtp(packet, nowMs);
  }

  close(): void {
    this.#closed = true;
  }
}

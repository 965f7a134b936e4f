import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import {
  parseRtcp,
  parseRtp,
  parseSessionDescription,
  type RtcpPacket,
  type RtpHeaderFields,
  type RtpPacket,
  readRtpSection,
  sdpValue,
  sdpValues,
  writeRtp,
} from '@sluice/media';
import type { IceCredentials } from '../../../core/index.ts';
import { checkOf } from '../transport/testing/ice-client.ts';
import { IceTcpClient } from '../transport/testing/ice-tcp-client.ts';
import { DtlsAssociation } from '../wire/dtls/association.ts';
import type { OwnIdentity } from '../wire/dtls/testing/identities.ts';
import type { DtlsSrtpKeys } from '../wire/dtls/types.ts';
import { SrtpReceiver, SrtpSender } from '../wire/srtp/index.ts';
import { readStun, StunWriter } from '../wire/stun/index.ts';

export interface RtcClientOptions {
  readonly identity: OwnIdentity;
  /** Its datagrams go by TCP. */
  readonly tcp?: boolean | undefined;
  readonly direction: 'sendonly' | 'recvonly';
  readonly video?: 'VP8' | 'H264' | undefined;
  /** H.264 is offered after that. */
  readonly alsoH264?: boolean | undefined;
  readonly audio?: boolean | undefined;
  /** What the offer says about the certificate instead of the truth. */
  readonly claimedFingerprint?: string | undefined;
}

const TICK_MS = 20;
const CHECK_INTERVAL_MS = 500;
const PROTECTION_BYTES = 64;

export const VIDEO_PAYLOAD_TYPE = 96;
export const RTX_PAYLOAD_TYPE = 97;
/** Of players that take H.264 besides another codec. */
export const H264_PAYLOAD_TYPE = 108;
export const AUDIO_PAYLOAD_TYPE = 111;
export const VIDEO_SSRC = 0x0100_0001;
export const RTX_SSRC = 0x0100_0002;
export const AUDIO_SSRC = 0x0200_0001;

/** A WebRTC client of our own making, over a real socket: offers, checks, shakes hands, sends and receives. */
export class RtcClient {
  readonly rtp: RtpPacket[] = [];
  readonly rtcp: RtcpPacket[] = [];
  /** Called with each decrypted packet; instead of keeping it in `rtp`. */
  onRtp: ((packet: RtpPacket) => void) | undefined;
  closedBy: string | undefined;
  received = 0;
  readonly offer: string;
  readonly local: IceCredentials = { ufrag: 'test', pwd: 'aPasswordOfTheTestClient' };
  readonly #options: RtcClientOptions;
  #socket: Socket;
  #remote: IceCredentials | undefined;
  #bound: Promise<void> | undefined;
  #port = 0;
  #host = '127.0.0.1';
  #dtls: DtlsAssociation | undefined;
  #keys: DtlsSrtpKeys | undefined;
  #sender: SrtpSender | undefined;
  #receiver: SrtpReceiver | undefined;
  #tcp: IceTcpClient | undefined;
  #timer: NodeJS.Timeout | undefined;
  #checkedMs = 0;
  #checking = true;
  #closed = false;

  constructor(options: RtcClientOptions) {
    this.#options = options;
    this.offer = offerOf(options, this.local);
    this.#socket = createSocket('udp4');
    this.#socket.on('message', (datagram, source) => this.#receive(datagram, source));
  }

  get connected(): boolean {
    return this.#sender !== undefined;
  }

  /** Source ports of its datagrams. */
  get port(): number {
    return this.#socket.address().port;
  }

  /** Begins to talk to the server that gave this answer; `host` is its address. */
  async connect(answer: string, host = '127.0.0.1'): Promise<void> {
    await this.bind(host);
    this.#host = host;
    const description = parseSessionDescription(answer);
    const section = description.media.find(({ port }) => port !== 0);
    if (section === undefined) throw new Error('nothing was accepted');
    const fingerprint = sdpValue(section, 'fingerprint') ?? sdpValue(description, 'fingerprint') ?? '';
    const [algorithm = '', value = ''] = fingerprint.split(' ');
    this.#remote = { ufrag: sdpValue(section, 'ice-ufrag') ?? '', pwd: sdpValue(section, 'ice-pwd') ?? '' };
    this.#port = Number(sdpValues(section, 'candidate')[0]?.split(' ')[5]);
    if (this.#options.tcp === true) await this.reconnect();
    const nowMs = performance.now();
    this.#dtls = new DtlsAssociation({
      role: sdpValue(section, 'setup') === 'passive' ? 'client' : 'server',
      certificate: this.#options.identity.certificate,
      remoteFingerprints: [{ algorithm, value }],
      srtpProfiles: ['AEAD_AES_128_GCM', 'AES_CM_128_HMAC_SHA1_80'],
      send: (datagram) => this.send(datagram),
      onConnected: (keys) => this.#onKeys(keys),
      onClosed: (reason) => {
        this.closedBy = reason;
      },
    });
    this.#timer = setInterval(() => this.#tick(performance.now()), TICK_MS);
    this.check();
    this.#dtls.start(nowMs);
  }

  /** From now on its datagrams go by a new TCP connection; the former one breaks. */
  async reconnect(): Promise<void> {
    await this.#tcp?.close();
    this.#tcp = await IceTcpClient.open(this.#port, this.#host);
    const source = { address: this.#host, family: 'IPv4', port: this.#port, size: 0 } as const;
    this.#tcp.onDatagram = (datagram) => this.#receive(datagram, source);
  }

  /** Its datagrams go by UDP again; the TCP connection stays open. */
  useUdp(): void {
    this.#tcp = undefined;
  }

  /** Goes on from another port, as behind a NAT that has changed or in another network. */
  async rebind(): Promise<void> {
    const former = this.#socket;
    this.#socket = createSocket('udp4');
    this.#socket.on('message', (datagram, source) => this.#receive(datagram, source));
    await new Promise<void>((resolve) => this.#socket.bind(0, this.#host, resolve));
    await new Promise<void>((resolve) => former.close(() => resolve()));
  }

  /** Takes a local port, for clients that send before they are answered. Idempotent. */
  bind(host = '127.0.0.1'): Promise<void> {
    this.#bound ??= new Promise((resolve) => this.#socket.bind(0, host, resolve));
    return this.#bound;
  }

  /** Sends a connectivity check that nominates. */
  check(): void {
    if (this.#remote !== undefined) this.send(checkOf(this.#remote, { nominate: true, own: this.local.ufrag }));
  }

  /** Stops sending checks, as a client does that has lost its network. */
  stopChecks(): void {
    this.#checking = false;
  }

  /** Sends any datagram. */
  send(datagram: Uint8Array, port = this.#port): void {
    // Errors of the network are what tests are about at times.
    if (this.#closed) return;
    if (this.#tcp !== undefined) this.#tcp.send(datagram);
    else this.#socket.send(datagram, port, this.#host, () => {});
  }

  sendRtp(fields: RtpHeaderFields, payload: Uint8Array): void {
    this.sendProtected(Buffer.from(writeRtp(fields, payload)));
  }

  /** Encrypts any bytes as RTP, whether they are or not. */
  sendProtected(packet: Buffer): void {
    const buffer = Buffer.concat([packet, Buffer.alloc(PROTECTION_BYTES)]);
    const length = this.#sender?.protectRtp(buffer, packet.length) ?? 0;
    if (length > 0) this.send(buffer.subarray(0, length));
  }

  sendRtcp(packet: Uint8Array): void {
    const buffer = Buffer.concat([packet, Buffer.alloc(PROTECTION_BYTES)]);
    const length = this.#sender?.protectRtcp(buffer, packet.length) ?? 0;
    if (length > 0) this.send(buffer.subarray(0, length));
  }

  /** Sends a DTLS datagram as the association would. */
  get dtls(): DtlsAssociation | undefined {
    return this.#dtls;
  }

  get keys(): DtlsSrtpKeys | undefined {
    return this.#keys;
  }

  /** Goes away without a word. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    if (this.#closed) return;
    this.#closed = true;
    await this.#tcp?.close();
    await new Promise<void>((resolve) => this.#socket.close(() => resolve()));
  }

  #onKeys(keys: DtlsSrtpKeys): void {
    this.#keys = keys;
    this.#sender = new SrtpSender(keys.profile, keys.local);
    this.#receiver = new SrtpReceiver(keys.profile, keys.remote);
  }

  #receive(datagram: Buffer, source: RemoteInfo): void {
    this.received++;
    const first = datagram[0] ?? 0;
    if (first < 4) this.#answerCheck(datagram, source);
    else if (first >= 20 && first < 64) this.#dtls?.receive(datagram, performance.now());
    else if (first >= 128 && first < 192) this.#receiveMedia(datagram);
  }

  /** Servers that are no ICE lite check the way too. */
  #answerCheck(datagram: Buffer, { address, port }: RemoteInfo): void {
    const message = readStun(datagram);
    if (message?.class !== 'request') return;
    const success = new StunWriter('success', message.transactionId).xorMappedAddress({ address, port });
    this.send(success.finish(this.local.pwd), port);
  }

  #receiveMedia(datagram: Buffer): void {
    const type = datagram[1] ?? 0;
    if (type >= 192 && type <= 223) {
      const plain = this.#receiver?.unprotectRtcp(datagram);
      if (plain !== undefined) this.rtcp.push(...parseRtcp(plain));
      return;
    }
    const plain = this.#receiver?.unprotectRtp(datagram);
    if (plain === undefined) return;
    const packet = parseRtp(plain);
    if (this.onRtp === undefined) this.rtp.push(packet);
    else this.onRtp(packet);
  }

  #tick(nowMs: number): void {
    this.#dtls?.tick(nowMs);
    if (!this.#checking || nowMs - this.#checkedMs < CHECK_INTERVAL_MS) return;
    this.#checkedMs = nowMs;
    this.check();
  }
}

function offerOf(options: RtcClientOptions, ice: IceCredentials): string {
  const { direction, identity, claimedFingerprint } = options;
  const fingerprint = claimedFingerprint ?? identity.certificate.fingerprint;
  const transport = [
    'c=IN IP4 0.0.0.0',
    `a=ice-ufrag:${ice.ufrag}`,
    `a=ice-pwd:${ice.pwd}`,
    `a=fingerprint:sha-256 ${fingerprint}`,
    'a=setup:actpass',
    `a=${direction}`,
    'a=rtcp-mux',
    'a=rtcp-rsize',
  ];
  const sections: string[][] = [];
  if (options.audio !== false) {
    sections.push([
      `m=audio 9 UDP/TLS/RTP/SAVPF ${AUDIO_PAYLOAD_TYPE}`,
      ...transport,
      `a=rtpmap:${AUDIO_PAYLOAD_TYPE} opus/48000/2`,
      ...(direction === 'sendonly' ? [`a=ssrc:${AUDIO_SSRC} cname:test`] : []),
    ]);
  }
  if (options.video !== undefined) {
    sections.push([
      `m=video 9 UDP/TLS/RTP/SAVPF ${VIDEO_PAYLOAD_TYPE} ${RTX_PAYLOAD_TYPE}${options.alsoH264 ? ` ${H264_PAYLOAD_TYPE}` : ''}`,
      ...transport,
      `a=rtpmap:${VIDEO_PAYLOAD_TYPE} ${options.video}/90000`,
      ...['nack', 'nack pli', 'ccm fir'].map((value) => `a=rtcp-fb:${VIDEO_PAYLOAD_TYPE} ${value}`),
      ...(options.video === 'H264'
        ? [`a=fmtp:${VIDEO_PAYLOAD_TYPE} level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f`]
        : []),
      ...(options.alsoH264
        ? [
            `a=rtpmap:${H264_PAYLOAD_TYPE} H264/90000`,
            `a=fmtp:${H264_PAYLOAD_TYPE} level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f`,
          ]
        : []),
      `a=rtpmap:${RTX_PAYLOAD_TYPE} rtx/90000`,
      `a=fmtp:${RTX_PAYLOAD_TYPE} apt=${VIDEO_PAYLOAD_TYPE}`,
      ...(direction === 'sendonly'
        ? [
            `a=ssrc-group:FID ${VIDEO_SSRC} ${RTX_SSRC}`,
            `a=ssrc:${VIDEO_SSRC} cname:test`,
            `a=ssrc:${RTX_SSRC} cname:test`,
          ]
        : []),
    ]);
  }
  const mids = sections.map((_, index) => String(index));
  const head = ['v=0', 'o=- 1 2 IN IP4 127.0.0.1', 's=-', 't=0 0', `a=group:BUNDLE ${mids.join(' ')}`];
  const body = sections.flatMap((section, index) => [...section, `a=mid:${index}`]);
  return `${[...head, ...body].join('\r\n')}\r\n`;
}

/** Sources of an answer to a player, by kind. */
export function sourcesOf(answer: string): Readonly<Record<string, number>> {
  const entries = parseSessionDescription(answer).media.map((section) => [
    section.kind,
    readRtpSection(section).sources[0]?.ssrc ?? 0,
  ]);
  return Object.fromEntries(entries) as Record<string, number>;
}

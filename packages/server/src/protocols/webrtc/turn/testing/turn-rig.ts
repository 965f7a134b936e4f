import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { generate } from 'selfsigned';
import { TestCounters, TestLog } from '../../../../core/testing/hub.ts';
import { Ticker, type TlsIdentity } from '../../../../io/index.ts';
import type { DatagramPort } from '../../transport/options.ts';
import type { TurnLimits, TurnOptions } from '../options.ts';
import { TurnServer } from '../server.ts';
import { ATTRIBUTE, METHOD, UDP_PROTOCOL } from '../wire/constants.ts';
import { longTermKey } from '../wire/integrity.ts';
import { readTurnMessage, type TurnMessage } from '../wire/read.ts';
import { StreamFrames } from '../wire/stream-frames.ts';
import { TurnWriter } from '../wire/write.ts';
import { ScriptedPort } from './scripted-port.ts';

export const HOST = '127.0.0.1';
export const USER = { name: 'flashphoner', password: 'secret word' };
const REALM = 'sluice';

/** A certificate for this machine, signed by itself. */
export async function selfSigned(): Promise<TlsIdentity> {
  const made = await generate([{ name: 'commonName', value: 'localhost' }], { keyType: 'ec', curve: 'P-256' });
  return { cert: made.cert, key: made.private };
}

/** A TURN server on free ports of this machine, with media in memory that answers each datagram with itself. */
export class TurnRig {
  readonly port = new ScriptedPort(HOST);
  readonly counters = new TestCounters();
  readonly log = new TestLog();
  readonly ticker = new Ticker();
  readonly server: TurnServer;

  private constructor(options: TurnOptions, media: DatagramPort | undefined) {
    const { counters, log, ticker } = this;
    this.port.echoes = true;
    this.server = new TurnServer({ port: media ?? this.port, counters, log, ticker }, options);
  }

  /** With `media`, that takes the place of the one in memory. */
  static async start(identity: TlsIdentity, limits: Partial<TurnLimits> = {}, media?: DatagramPort): Promise<TurnRig> {
    const [port, securePort] = await freePorts();
    const options = {
      host: HOST,
      port,
      securePort,
      identity,
      realm: REALM,
      user: USER,
      secret: 'a secret',
      credentialLifetimeS: 600,
      maxAllocations: 100,
      maxAllocationsPerAddress: 50,
      limits,
    };
    const rig = new TurnRig(options, media);
    await rig.server.start();
    return rig;
  }

  /** Opens a connection by TCP, or TLS where that is asked for. */
  async connect(transport: 'tcp' | 'tls'): Promise<Connection> {
    const { port, securePort } = this.server;
    const socket =
      transport === 'tcp'
        ? connect(port, HOST)
        : connectTls({ port: securePort, host: HOST, rejectUnauthorized: false });
    await once(socket, transport === 'tcp' ? 'connect' : 'secureConnect');
    return new Connection(socket);
  }

  async close(): Promise<void> {
    await this.server.close();
  }
}

/** A client of TURN on a connection. */
export class Connection {
  readonly socket: Socket;
  readonly frames: Buffer[] = [];
  isClosed = false;
  #waiting: (() => void) | undefined;

  constructor(socket: Socket) {
    this.socket = socket;
    const frames = new StreamFrames();
    socket.on('data', (chunk: Buffer) => {
      this.frames.push(...frames.push(chunk));
      this.#waiting?.();
    });
    socket.on('error', () => {});
    socket.on('close', () => {
      this.isClosed = true;
      this.#waiting?.();
    });
  }

  /** The next frame. @throws Error when the connection was closed instead */
  async next(): Promise<Buffer> {
    while (this.frames.length === 0) {
      if (this.isClosed) throw new Error('the connection is closed');
      await new Promise<void>((resolve) => {
        this.#waiting = resolve;
      });
    }
    return this.frames.shift() as Buffer;
  }

  async request(writer: TurnWriter, key?: Buffer): Promise<TurnMessage> {
    this.socket.write(writer.finish({ key: key && { algorithm: 'sha1', key } }));
    const answer = readTurnMessage(await this.next());
    if (answer === undefined) throw new Error('no answer that can be read');
    return answer;
  }

  /** Allocates, and binds a channel to the media. */
  async allocate(mediaPort: number, channel = 0x4000): Promise<TurnMessage> {
    const transport = Buffer.from([UDP_PROTOCOL, 0, 0, 0]);
    const begin = (method: number): TurnWriter => new TurnWriter(method, 'request', Buffer.alloc(12, method));
    const challenge = await this.request(begin(METHOD.allocate).attribute(ATTRIBUTE.requestedTransport, transport));
    const key = longTermKey(1, { username: USER.name, realm: REALM, password: USER.password });
    const signed = (method: number): TurnWriter =>
      begin(method)
        .text(ATTRIBUTE.username, USER.name)
        .text(ATTRIBUTE.realm, REALM)
        .text(ATTRIBUTE.nonce, challenge.nonce ?? '');
    const made = await this.request(signed(METHOD.allocate).attribute(ATTRIBUTE.requestedTransport, transport), key);
    const number = Buffer.alloc(4);
    number.writeUInt16BE(channel);
    const bind = signed(METHOD.channelBind)
      .attribute(ATTRIBUTE.channelNumber, number)
      .address(ATTRIBUTE.xorPeerAddress, { address: HOST, port: mediaPort });
    const bound = await this.request(bind, key);
    if (made.class !== 'success' || bound.class !== 'success') throw new Error(`${made.errorCode} ${bound.errorCode}`);
    return made;
  }
}

/** Two numbers that nobody listens on. */
async function freePorts(): Promise<[number, number]> {
  const servers = [createServer(), createServer()];
  const ports: number[] = [];
  for (const server of servers) {
    server.listen(0, HOST);
    await once(server, 'listening');
    const address = server.address();
    ports.push(typeof address === 'object' && address !== null ? address.port : 0);
  }
  await Promise.all(servers.map((server) => once(server.close(), 'close')));
  return [ports[0] ?? 0, ports[1] ?? 0];
}

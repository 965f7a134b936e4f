import type { DatagramPort, DatagramSource } from '../../transport/options.ts';

export const MEDIA_PORT = 31_001;

/** Media in memory: what clients sent to it, and by which source. */
export class ScriptedPort implements DatagramPort {
  readonly port = MEDIA_PORT;
  readonly addresses: ReadonlySet<string>;
  readonly received: { readonly source: DatagramSource; readonly datagram: Buffer }[] = [];
  readonly forgotten: DatagramSource[] = [];
  /** Answers each datagram with itself, as a peer would. */
  echoes = false;

  constructor(...addresses: readonly string[]) {
    this.addresses = new Set(addresses);
  }

  isOwn(address: string, port: number): boolean {
    return port === MEDIA_PORT && this.addresses.has(address);
  }

  receive(source: DatagramSource, datagram: Buffer): void {
    this.received.push({ source, datagram: Buffer.from(datagram) });
    if (this.echoes) source.send(Buffer.from(datagram));
  }

  forget(source: DatagramSource): void {
    this.forgotten.push(source);
  }
}

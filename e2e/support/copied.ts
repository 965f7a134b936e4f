import { existsSync, readFileSync } from 'node:fs';
import { Ffmpeg, parsePacketSums } from './ffmpeg.ts';
import { isVideo, type TimedTag } from './scripted-publisher.ts';

/** A packet as a player of ffmpeg got it, not decoded; times are the wire's, in ms. */
export interface CopiedPacket {
  readonly kind: 'video' | 'audio';
  readonly dtsMs: number;
  readonly ptsMs: number;
  readonly size: number;
  readonly hash: string;
}

/** Copies what a URL plays into a list of packets until it ends or is stopped. */
export class Copier {
  readonly #ffmpeg: Ffmpeg;
  readonly #file: string;

  constructor(url: string, file: string) {
    this.#file = file;
    const output = ['-map', '0', '-c', 'copy', '-f', 'framemd5', '-flush_packets', '1', file];
    this.#ffmpeg = new Ffmpeg(['-v', 'warning', '-y', '-copyts', '-i', url, ...output]);
  }

  get stderr(): string {
    return this.#ffmpeg.stderr;
  }

  packets(): CopiedPacket[] {
    return existsSync(this.#file) ? parseCopied(readFileSync(this.#file, 'utf8')) : [];
  }

  /** What was played, once it has ended by itself; one that goes on is stopped after `timeoutMs`. */
  async finish(timeoutMs: number): Promise<CopiedPacket[]> {
    await this.#ffmpeg.runUntil(() => false, timeoutMs);
    await this.#ffmpeg.stop();
    return this.packets();
  }
}

/** Only one kind's packets, in the order of arrival. */
export function ofKind(packets: readonly CopiedPacket[], kind: CopiedPacket['kind']): CopiedPacket[] {
  return packets.filter((packet) => packet.kind === kind);
}

/** Steps of decoding time from packet to packet, in ms. */
export function stepsMs(packets: readonly CopiedPacket[]): number[] {
  return packets.slice(1).map(({ dtsMs }, i) => dtsMs - (packets[i]?.dtsMs ?? 0));
}

/**
 * How far the last packet of a kind has moved from its time at the source. Players get everything up to the end, so
 * this is the same for picture and sound as long as the two keep together.
 */
export function shiftAtEndMs(
  packets: readonly CopiedPacket[],
  source: readonly TimedTag[],
  kind: CopiedPacket['kind'],
): number {
  const last = source.findLast((tag) => isVideo(tag) === (kind === 'video'));
  return (ofKind(packets, kind).at(-1)?.dtsMs ?? Number.NaN) - (last?.sendAtMs ?? Number.NaN);
}

function parseCopied(text: string): CopiedPacket[] {
  const bases = new Map<number, number>();
  const kinds = new Map<number, CopiedPacket['kind']>();
  for (const [, stream, num, den] of text.matchAll(/^#tb (\d+): (\d+)\/(\d+)/gm)) {
    bases.set(Number(stream), (Number(num) * 1000) / Number(den));
  }
  for (const [, stream, kind] of text.matchAll(/^#media_type (\d+): (\w+)/gm)) {
    if (kind === 'video' || kind === 'audio') kinds.set(Number(stream), kind);
  }
  return parsePacketSums(text).flatMap(({ stream, dts, pts, size, hash }) => {
    const [base, kind] = [bases.get(stream) ?? 1, kinds.get(stream)];
    // ffmpeg makes a track of data from metadata that changes.
    return kind === undefined ? [] : [{ kind, dtsMs: dts * base, ptsMs: pts * base, size, hash }];
  });
}

import { closeSync, fsyncSync, openSync } from 'node:fs';
import { type FragmentSample, type MediaPacket, openMediaFile, ProtocolError, type Track } from '@sluice/media';
import { type ContainerWriter, containerWriter } from '../writing/container-writer.ts';
import { type Tell, writeAll } from './carry-out.ts';
import { FinishError } from './finish-error.ts';
import type { JoinedFile, JoinJob } from './finish-job.ts';
import { LocalFile } from './local-file.ts';

/** Media of one fragment. */
const FRAGMENT_US = 1_000_000;
const FRAGMENT_BYTES = 8 * 1024 * 1024;
/** How long the only sample of a track is taken to be. */
const ONLY_SAMPLE_US = 40_000;

/**
 * Joins files that were written piece by piece into one more such file, each of their tracks on its own at the time when
 * it came. Members without anything that can be read are left out, and of those that are damaged the rest.
 * @throws FinishError EMPTY when there is nothing to join, DAMAGED when nothing of it can be read, and the errors of I/O
 */
export async function joinFiles(job: JoinJob, tell: Tell): Promise<JoinedFile> {
  const members: Member[] = [];
  try {
    for (const { source, offsetUs } of job.members) {
      members.push(
        await Member.open(source, { offsetUs, tell, firstId: members.flatMap(({ tracks }) => tracks).length }),
      );
    }
    const tracks = members.flatMap((member) => (member.next === undefined ? [] : member.tracks));
    const notes = members.flatMap(({ damage }) => damage ?? []);
    if (tracks.length === 0) {
      if (notes.length > 0) throw new FinishError('DAMAGED', notes.join('; '));
      throw new FinishError('EMPTY', 'nothing was recorded');
    }
    const earliestUs = Math.min(0, ...members.map(({ next }) => next?.dtsUs ?? 0));
    const { container, createdAtMs } = job;
    const options = { baseUs: earliestUs, createdAtMs, reservedBytes: 0, firstPicture: undefined };
    const bytes = await writeJoined(
      job.target,
      containerWriter(container, tracks, options),
      new Fragment(tracks, members),
    );
    const damages = members.flatMap(({ damage }) => damage ?? []);
    return { path: job.target, bytes, note: damages.length === 0 ? undefined : damages.join('; ') };
  } finally {
    for (const member of members) member.close();
  }
}

async function writeJoined(target: string, writer: ContainerWriter, fragment: Fragment): Promise<number> {
  const descriptor = openSync(target, 'w', 0o640);
  let bytes = 0;
  const append = (piece: Uint8Array): void => {
    writeAll(descriptor, piece, bytes);
    bytes += piece.length;
  };
  try {
    append(writer.head());
    while (await fragment.fill()) append(writer.fragment(fragment.take()));
    fsyncSync(descriptor);
    return bytes;
  } finally {
    closeSync(descriptor);
  }
}

/** A file that is joined with others: its packets, with the ids and times that they have in the new one. */
class Member {
  readonly tracks: readonly Track[];
  /** The next packet; undefined at the end. */
  next: MediaPacket | undefined;
  /** Why not all of it could be read. */
  damage: string | undefined;
  readonly #file: LocalFile | undefined;
  readonly #packets: AsyncGenerator<MediaPacket> | undefined;
  readonly #offsetUs: number;
  readonly #firstId: number;
  /** By the track as the file has it. */
  readonly #renamed = new Map<Track, Track>();

  private constructor(
    opened:
      | { readonly file: LocalFile; readonly tracks: readonly Track[]; readonly packets: AsyncGenerator<MediaPacket> }
      | undefined,
    { offsetUs, firstId }: { readonly offsetUs: number; readonly firstId: number },
  ) {
    this.#file = opened?.file;
    this.#packets = opened?.packets;
    this.#offsetUs = offsetUs;
    this.#firstId = firstId;
    this.tracks = (opened?.tracks ?? []).map((track) => this.#rename(track));
  }

  static async open(
    path: string,
    { tell, ...place }: { readonly offsetUs: number; readonly firstId: number; readonly tell: Tell },
  ): Promise<Member> {
    const file = openedOr(path, tell);
    if (typeof file === 'string') return withDamage(new Member(undefined, place), file);
    try {
      const reader = await openMediaFile(file);
      const tracks = reader.tracks.map(({ track }) => track);
      const member = new Member({ file, tracks, packets: reader.readPackets() }, place);
      await member.advance();
      return member;
    } catch (error) {
      file.close();
      if (!(error instanceof ProtocolError)) throw error;
      return withDamage(new Member(undefined, place), error.message);
    }
  }

  async advance(): Promise<void> {
    try {
      const read = await this.#packets?.next();
      this.next = read?.done === false ? this.#moved(read.value) : undefined;
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.next = undefined;
      this.damage = error.message;
    }
  }

  close(): void {
    this.#file?.close();
  }

  #moved(packet: MediaPacket): MediaPacket {
    return {
      ...packet,
      track: this.#rename(packet.track),
      dtsUs: packet.dtsUs + this.#offsetUs,
      ptsUs: packet.ptsUs + this.#offsetUs,
    };
  }

  #rename(track: Track): Track {
    let renamed = this.#renamed.get(track);
    if (renamed === undefined) {
      renamed = { ...track, id: track.id + this.#firstId };
      this.#renamed.set(track, renamed);
    }
    return renamed;
  }
}

function withDamage(member: Member, damage: string): Member {
  member.damage = damage;
  return member;
}

/** The reason when a file is not there any more. */
function openedOr(path: string, tell: Tell): LocalFile | string {
  try {
    return new LocalFile(path, 'r', () => tell(0));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return 'the file of a member is missing';
    throw error;
  }
}

interface Lane {
  readonly track: Track;
  samples: FragmentSample[];
  /** Waits for the next one. */
  held: MediaPacket | undefined;
  /** Length of the sample before. */
  lastUs: number;
}

/** Collects the samples of the next fragment from all members, in the order of decoding. */
class Fragment {
  readonly #members: readonly Member[];
  readonly #lanes: readonly Lane[];
  #endUs = Number.NEGATIVE_INFINITY;

  constructor(tracks: readonly Track[], members: readonly Member[]) {
    this.#members = members;
    this.#lanes = tracks.map((track) => ({ track, samples: [], held: undefined, lastUs: ONLY_SAMPLE_US }));
  }

  /** Reads on; false when there is nothing more to write. */
  async fill(): Promise<boolean> {
    let bytes = 0;
    for (let member = this.#earliest(); member?.next !== undefined; member = this.#earliest()) {
      const packet = member.next;
      if (packet.dtsUs >= this.#endUs || bytes >= FRAGMENT_BYTES) {
        this.#endUs = packet.dtsUs + FRAGMENT_US;
        if (bytes > 0 && this.#hasSamples()) return true;
      }
      bytes += packet.byteLength;
      this.#add(packet);
      await member.advance();
    }
    for (const lane of this.#lanes) this.#release(lane, undefined);
    return this.#hasSamples();
  }

  take(): { readonly track: Track; readonly samples: readonly FragmentSample[] }[] {
    const filled = this.#lanes
      .filter(({ samples }) => samples.length > 0)
      .map(({ track, samples }) => ({ track, samples }));
    for (const lane of this.#lanes) lane.samples = [];
    return filled;
  }

  #earliest(): Member | undefined {
    let earliest: Member | undefined;
    for (const member of this.#members) {
      if (member.next === undefined) continue;
      if (earliest?.next === undefined || member.next.dtsUs < earliest.next.dtsUs) earliest = member;
    }
    return earliest;
  }

  #hasSamples(): boolean {
    return this.#lanes.some(({ samples }) => samples.length > 0);
  }

  #add(packet: MediaPacket): void {
    const lane = this.#lanes.find(({ track }) => track.id === packet.track.id);
    if (lane !== undefined) this.#release(lane, packet);
  }

  /** A sample is complete when the next one of its track tells how long it is. */
  #release(lane: Lane, next: MediaPacket | undefined): void {
    const { held } = lane;
    lane.held = next;
    if (held === undefined) return;
    if (next !== undefined) lane.lastUs = Math.max(0, next.dtsUs - held.dtsUs);
    lane.samples.push({ packet: held, durationUs: lane.lastUs });
  }
}

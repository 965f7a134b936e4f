import type { ByteSource, InPlacePlan } from '../file-plan.ts';
import { ProtocolError } from '../packet.ts';
import { isCounted, PesTally } from './pes-tally.ts';
import { TS_PACKET_BYTES } from './ts-output.ts';
import { mapPidOf, readSection, readTsPacket, streamsOf, type TsPacket } from './ts-packet.ts';

/** One read: close to 1 MiB. */
const READ_BYTES = 5500 * TS_PACKET_BYTES;
const MAX_STREAMS = 64;
const TICKS_PER_US = 0.09;

/**
 * How a transport stream that `TsMuxer` wrote piece by piece, whole or torn anywhere, becomes a finished one where it is:
 * a torn PES packet at its end is cut off. There is nothing to add, since transport streams have no index. `samples`
 * counts pictures and AAC frames.
 * @throws ProtocolError TS_BAD_FILE when it is no transport stream with one programme, or has no whole PES packet; what
 *   the source rejects with
 */
export async function planTsInPlace(source: ByteSource): Promise<InPlacePlan> {
  const programme = new Programme();
  const end = await readPackets(source, programme);
  const truncateTo = programme.finish({ offset: end, isTorn: end < source.size });
  const tallies = programme.tallies.filter(({ samples, track }) => samples > 0 && track !== undefined);
  if (tallies.length === 0) throw badFile('there is no whole packet');
  const microseconds = (ticks: number): number => Math.round(ticks / TICKS_PER_US);
  const first = Math.min(...tallies.map(({ firstTicks }) => firstTicks));
  const last = Math.max(...tallies.map(({ endTicks }) => endTicks));
  return {
    durationUs: microseconds(last - first),
    tracks: tallies.flatMap(({ track, samples, firstTicks, endTicks }) =>
      track === undefined ? [] : [{ track, samples, durationUs: microseconds(endTicks - firstTicks) }],
    ),
    tornBytes: source.size - truncateTo,
    truncateTo,
    append: [],
    patches: [],
  };
}

/** Returns where the last whole transport packet ends, or the first thing begins that is none. */
async function readPackets(source: ByteSource, programme: Programme): Promise<number> {
  const end = source.size - (source.size % TS_PACKET_BYTES);
  for (let start = 0; start < end; start += READ_BYTES) {
    const wanted = Math.min(READ_BYTES, end - start);
    const bytes = await source.read(start, wanted);
    if (bytes.length !== wanted) throw badFile(`the file ends before byte ${start + wanted}`);
    for (let at = 0; at < bytes.length; at += TS_PACKET_BYTES) {
      const packet = readTsPacket(bytes, at);
      if (packet === undefined) return start + at;
      programme.take(packet, start + at);
    }
  }
  return end;
}

/** The only programme of the stream. */
class Programme {
  readonly #tallies = new Map<number, PesTally>();
  #mapPid: number | undefined;
  /** The first time of all, for others to be near to. */
  #nearTicks: number | undefined;

  /** In the order of the programme map. */
  get tallies(): readonly PesTally[] {
    return [...this.#tallies.values()];
  }

  take(packet: TsPacket, offset: number): void {
    const tally = this.#tallies.get(packet.pid);
    if (tally !== undefined) {
      tally.take(packet, offset, this.#nearTicks);
      if (this.#nearTicks === undefined && tally.samples > 0) this.#nearTicks = tally.firstTicks;
    } else if (packet.isStart && (packet.pid === 0 || packet.pid === this.#mapPid)) {
      this.#takeSection(packet);
    }
  }

  /** Returns where the file is to end: before the first torn PES packet. */
  finish(end: { readonly offset: number; readonly isTorn: boolean }): number {
    let offset = end.offset;
    for (const tally of this.#tallies.values()) {
      offset = Math.min(offset, tally.finish(end, this.#nearTicks) ?? offset);
    }
    return offset;
  }

  #takeSection({ pid, payload }: TsPacket): void {
    const section = readSection(payload);
    if (section === undefined) return;
    if (pid === 0) {
      this.#mapPid ??= mapPidOf(section);
      return;
    }
    for (const { pid: streamPid, streamType } of streamsOf(section)) {
      if (!isCounted(streamType) || this.#tallies.size === MAX_STREAMS || this.#tallies.has(streamPid)) continue;
      this.#tallies.set(streamPid, new PesTally(this.#tallies.size, streamType));
    }
  }
}

function badFile(message: string): ProtocolError {
  return new ProtocolError('TS_BAD_FILE', message);
}

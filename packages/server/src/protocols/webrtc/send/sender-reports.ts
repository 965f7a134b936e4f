import { compactNtp, joinRtcp, ntpOfUnixMs, type ReportBlock, writeSdes, writeSenderReport } from '@sluice/media';
import type { StreamClock } from '../../../rtp/index.ts';
import type { SendTrack } from './send-track.ts';

const INTERVAL_MS = 1000;
/** Reports that a peer's answer may refer to. */
const REMEMBERED = 8;

/**
 * Tells a player how its tracks' clocks belong together (RFC 3550 §6.4.1): all are told on one clock, that of the
 * stream's timeline, so that the player puts picture and sound together as they were. Measures the round trip.
 */
export class SenderReports {
  /** Smoothed round trip, milliseconds. */
  rttMs: number | undefined;
  /** The newest one, as it was measured. */
  newestRttMs: number | undefined;
  readonly #cname: string;
  readonly #sent: { readonly compact: number; readonly atMs: number }[] = [];
  readonly #clock: StreamClock;

  /** `clock` is that of the tracks. */
  constructor(cname: string, clock: StreamClock) {
    this.#cname = cname;
    this.#clock = clock;
  }

  /**
   * The report that is due for a track, if one is: as soon as it is up to date, then every second. Times of the past
   * are pressed together, and what a report would say of them is wrong a moment later.
   */
  due(track: SendTrack, nowMs: number): Uint8Array | undefined {
    if (!track.started || track.catchesUp || nowMs - track.reportedMs < INTERVAL_MS) return undefined;
    track.reportedMs = nowMs;
    track.look();
    const { timestamp, ptsUs, clockRate } = track.position;
    const unixUs = Date.now() * 1000;
    const aheadUs = unixUs - this.#clock.unixUs(ptsUs);
    const ntp = ntpOfUnixMs(unixUs / 1000);
    this.#sent.push({ compact: compactNtp(ntp), atMs: nowMs });
    if (this.#sent.length > REMEMBERED) this.#sent.shift();
    const report = writeSenderReport({
      ssrc: track.options.ssrc,
      ...ntp,
      rtpTimestamp: (timestamp + Math.round((aheadUs * clockRate) / 1e6)) >>> 0,
      packetCount: track.packets >>> 0,
      octetCount: track.bytes >>> 0,
      reports: [],
    });
    return joinRtcp([report, writeSdes(track.options.ssrc, this.#cname)]);
  }

  /** Takes what the player says of a report of ours (RFC 3550 §6.4.1, figure 2), and gives the round trip of it. */
  onReport(block: ReportBlock, nowMs: number): number | undefined {
    const sent = this.#sent.find(({ compact }) => compact === block.lastSenderReport);
    if (sent === undefined) return undefined;
    const rttMs = nowMs - sent.atMs - (block.delaySinceLastSenderReport * 1000) / 65_536;
    if (rttMs < 0) return undefined;
    this.newestRttMs = rttMs;
    this.rttMs = this.rttMs === undefined ? rttMs : this.rttMs + (rttMs - this.rttMs) / 8;
    return rttMs;
  }
}

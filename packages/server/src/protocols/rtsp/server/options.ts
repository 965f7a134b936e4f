import type { AudioCodec, VideoCodec } from '@sluice/media';
import type { TlsIdentity } from '../../../io/index.ts';
import { DEFAULT_RECEIVE_OPTIONS, type ReceiveOptions } from '../../../rtp/index.ts';
import { DEFAULT_RTSP_READER_OPTIONS, type RtspReaderOptions } from '../wire/reader.ts';

/** An address to listen on. */
export interface RtspAddress {
  readonly host: string;
  /** 0 takes any free port. */
  readonly port: number;
  /** Speaks RTSPS, RTSP inside TLS. */
  readonly secure?: boolean;
}

/** Where media by UDP comes and goes. */
export interface RtspUdpAddress {
  readonly host: string;
  /** Of RTP, an even number; the one after it is for RTCP. 0 takes a free pair. */
  readonly port: number;
}

export interface RtspServerOptions {
  readonly listen: readonly RtspAddress[];
  /** Needed for secure addresses. */
  readonly tls: TlsIdentity | undefined;
  /** Undefined: clients must have their media over the connection. */
  readonly udp: RtspUdpAddress | undefined;
  readonly maxConnections: number;
  /** How long a request may take to arrive, and a new connection to send its first one. */
  readonly headerTimeoutMs: number;
  /** A client of which nothing comes for this long is dropped: no request, no RTCP, no media. */
  readonly sessionTimeoutMs: number;
  /** How long a player waits for a stream that is not there. */
  readonly playWaitMs: number;
  /** How long a player waits for the tracks of a stream that is there and has shown none. */
  readonly trackWaitMs: number;
  /** How long a track that must be converted may take to appear. */
  readonly conversionWaitMs: number;
  readonly viewerStallTimeoutMs: number;
  /** Most bytes that a viewer who is behind gets in one write. */
  readonly viewerWriteBytes: number;
  readonly flushIntervalMs: number;
  /** Most bytes a second that one viewer by UDP is sent: it gets the beginning as fast as that. */
  readonly udpBytesPerSecond: number;
  /** Most bytes of payload in an RTP packet. */
  readonly maxPayloadBytes: number;
  /** How often players are told the time of the packets (RTCP sender reports). */
  readonly senderReportIntervalMs: number;
  readonly playbackEnabled: boolean;
  readonly publishEnabled: boolean;
  /** Every stream that is published is recorded, unless its back end says no. */
  readonly recordPublished: boolean;
  /** Codecs that players get as they are; others are converted to H.264 and AAC. */
  readonly videoCodecs: ReadonlySet<VideoCodec>;
  readonly audioCodecs: ReadonlySet<AudioCodec>;
  /** The application of clients that name none. */
  readonly defaultAppKey: string;
  /** Parameter of the URL that has a stream token; the password of a client counts as one. */
  readonly tokenField: string;
  /** How what publishers send is received. */
  readonly receive: ReceiveOptions;
  readonly reader: RtspReaderOptions;
}

export const DEFAULT_RTSP_SERVER_OPTIONS: RtspServerOptions = {
  listen: [{ host: '::', port: 5554 }],
  tls: undefined,
  udp: { host: '::', port: 0 },
  maxConnections: 10_000,
  headerTimeoutMs: 10_000,
  sessionTimeoutMs: 60_000,
  playWaitMs: 3000,
  trackWaitMs: 2000,
  conversionWaitMs: 6000,
  viewerStallTimeoutMs: 10_000,
  viewerWriteBytes: 256 * 1024,
  flushIntervalMs: 36,
  udpBytesPerSecond: 5_000_000,
  maxPayloadBytes: 1400,
  senderReportIntervalMs: 5000,
  playbackEnabled: true,
  publishEnabled: true,
  recordPublished: false,
  videoCodecs: new Set<VideoCodec>(['h264', 'h265', 'vp8', 'vp9', 'av1']),
  audioCodecs: new Set<AudioCodec>(['aac', 'opus', 'pcma', 'pcmu', 'g722', 'speex']),
  defaultAppKey: 'defaultApp',
  tokenField: 'token',
  // Nothing that is lost can be asked for again, so what follows a lost frame would be broken to the next key frame.
  receive: { ...DEFAULT_RECEIVE_OPTIONS, strictness: 'STRICT' },
  reader: DEFAULT_RTSP_READER_OPTIONS,
};

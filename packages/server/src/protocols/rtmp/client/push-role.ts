import { type AudioCodec, type Codec, codecTitle, isEnhancedOnly, type VideoCodec } from '@sluice/media';
import {
  type Acceptance,
  type AdaptedStream,
  ALL_AUDIO_CODECS,
  ALL_VIDEO_CODECS,
  type FanOut,
  type FanOutSink,
  FanOutViewer,
  type PushAttempt,
  playerAcceptance,
  type RelayEnd,
  type RelayLinkFacts,
} from '../../../core/index.ts';
import { readConnect } from '../connect.ts';
import { RtmpFormat } from '../packager.ts';
import type { Status } from './endings.ts';
import type { LinkEnv, LinkHandle, LinkRole } from './link.ts';
import { publishMetadata } from './metadata.ts';
import { Retimer } from './retimer.ts';
import type { ServerConnection } from './server-connection.ts';

/** What is given back at the end. */
interface Place {
  readonly lease: AdaptedStream;
  readonly fanOut: FanOut;
  readonly viewer: FanOutViewer;
  readonly leftOutBefore: number;
}

/** Publishes a stream of ours at a server. */
export class PushRole implements LinkRole {
  readonly purpose = 'publish';
  readonly #attempt: PushAttempt;
  readonly #streamName: string;
  readonly #env: LinkEnv;
  #link: LinkHandle | undefined;
  #place: Place | undefined;
  #released = false;

  constructor(attempt: PushAttempt, streamName: string, env: LinkEnv) {
    this.#attempt = attempt;
    this.#streamName = streamName;
    this.#env = env;
  }

  /** From then on it is our publisher that may be late. */
  get settled(): boolean {
    return this.#place !== undefined;
  }

  get overdue(): RelayEnd {
    return { code: 'unreachable', message: 'the server agreed, but nothing could be sent' };
  }

  prepare(server: ServerConnection): void {
    server.call('releaseStream', [null, this.#streamName]);
    server.call('FCPublish', [null, this.#streamName]);
  }

  begin(link: LinkHandle): void {
    this.#link = link;
    link.server.tell(link.streamId, 'publish', [this.#streamName, 'live']);
  }

  status({ code }: Status): void {
    if (code !== 'NetStream.Publish.Start' || this.#link === undefined || this.settled || this.#released) return;
    this.#link.agreed();
    this.#start(this.#link);
  }

  audio(): void {}

  video(): void {}

  data(): void {}

  streamEvent(): void {}

  check(): RelayEnd | undefined {
    const place = this.#place;
    if (place === undefined) return undefined;
    for (const text of leftOut(place)) this.#attempt.events.onNote(text);
    return undefined;
  }

  goodbye(): void {
    if (this.#link === undefined) return;
    const { server, streamId } = this.#link;
    server.call('FCUnpublish', [null, this.#streamName]);
    server.call('deleteStream', [null, streamId]);
  }

  release(): void {
    if (this.#released) return;
    this.#released = true;
    const place = this.#place;
    if (place === undefined) return;
    place.viewer.close();
    this.#env.fanOuts.viewerLeft(place.fanOut);
    place.lease[Symbol.dispose]();
  }

  facts(): Pick<RelayLinkFacts, 'packets' | 'drops'> {
    const place = this.#place;
    if (place === undefined) return { packets: 0, drops: {} };
    const { viewer, fanOut, leftOutBefore } = place;
    return {
      packets: viewer.packetsSent,
      drops: { slow_viewer: viewer.dropped, not_carried: fanOut.leftOut - leftOutBefore },
    };
  }

  #start(link: LinkHandle): void {
    const { options, fanOuts, adaptations } = this.#env;
    const { source, options: wish } = this.#attempt;
    if (source.ended) return link.finish('closed', 'the stream is over');
    const acceptance = acceptanceOf(link, options.enhanced, wish.without);
    const lease = adaptations.lease(source, acceptance, { steady: true });
    const without = notTaken(acceptance);
    const { chunkSize, sendMetadata } = options;
    const fanOut = fanOuts.get(lease.stream, acceptance.key, () => {
      const format: RtmpFormat = new RtmpFormat({
        chunkSize,
        silent: false,
        without,
        metadata: sendMetadata ? publishMetadata((track) => format.carries(track)) : () => undefined,
      });
      return format;
    });
    const leftOutBefore = fanOut.leftOut;
    const viewer = new FanOutViewer(sinkOf(link, chunkSize), fanOut, {
      maxWriteBytes: options.writeBytes,
      // The link looks after that: what it has sent counts, too.
      stallTimeoutMs: Number.POSITIVE_INFINITY,
      onEnded: () => link.finish('closed', 'the stream is over'),
    });
    this.#place = { lease, fanOut, viewer, leftOutBefore };
    viewer.pump();
    source.viewerReady();
  }
}

/** H.264 and AAC, and what the server says it takes of Enhanced RTMP; everything else is converted. */
function acceptanceOf(
  { properties }: LinkHandle,
  enhanced: 'listed' | 'always' | 'never',
  without: 'audio' | 'video' | undefined,
): Acceptance {
  const listed = readConnect(properties).acceptance;
  const taken = <C extends Codec>(codecs: ReadonlySet<C>, all: ReadonlySet<C>): C[] =>
    enhanced === 'never' ? [] : [...(enhanced === 'always' ? all : codecs)].filter(isEnhancedOnly);
  const video = new Set<VideoCodec>(['h264', ...taken(listed.video, ALL_VIDEO_CODECS)]);
  const audio = new Set<AudioCodec>(['aac', ...taken(listed.audio, ALL_AUDIO_CODECS)]);
  return playerAcceptance({
    video: without === 'video' ? new Set() : video,
    audio: without === 'audio' ? new Set() : audio,
  });
}

/** A sentence for each track that is wanted and does not go out. */
function leftOut({ lease, fanOut }: Place): string[] {
  const { acceptance, stream } = lease;
  return (['video', 'audio'] as const).flatMap((kind) => {
    const reason = lease.leftOut[kind];
    if (reason !== undefined) return `${kind} is left out: ${reason}`;
    const track = stream.state[kind];
    if (track === undefined || fanOut.carries(track) || acceptance[kind].size === 0) return [];
    return `${kind} is left out: the server does not take ${codecTitle(track.codec)}`;
  });
}

/** Counts where nothing can be converted, and the stream comes as it is. */
function notTaken({ video, audio }: Acceptance): ReadonlySet<Codec> {
  return new Set<Codec>([
    ...[...ALL_VIDEO_CODECS].filter((codec) => !video.has(codec)),
    ...[...ALL_AUDIO_CODECS].filter((codec) => !audio.has(codec)),
  ]);
}

/** The server's socket, for bytes that others share. */
function sinkOf(link: LinkHandle, chunkSize: number): FanOutSink {
  const { server, streamId } = link;
  const { socket } = server;
  const retimer = new Retimer(streamId, chunkSize);
  return {
    get writableNeedDrain() {
      return socket.writableNeedDrain;
    },
    get destroyed() {
      return socket.destroyed || !socket.writable;
    },
    write: (bytes) => {
      link.flowing();
      return server.write(retimer.rewrite(bytes));
    },
    on: (event, listener) => socket.on(event, listener),
    off: (event, listener) => socket.off(event, listener),
  };
}

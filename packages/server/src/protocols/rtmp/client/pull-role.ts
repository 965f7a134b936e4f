import { type AmfValue, UnsupportedCodecError } from '@sluice/media';
import type { PullAttempt, RelayEnd, RelayLinkFacts } from '../../../core/index.ts';
import { RtmpToStream } from '../to-stream.ts';
import { USER_CONTROL, userControl } from '../wire/chunk-writer.ts';
import { endOfStatus, type Status, statusOf } from './endings.ts';
import type { LinkEnv, LinkHandle, LinkRole } from './link.ts';
import type { ServerConnection } from './server-connection.ts';

/** `start` of `play`: what is live now; nothing that was recorded (Adobe RTMP 1.0 §7.2.2.1 and what servers make of it). */
const START_LIVE = -2000;

/** Plays a stream of a server into one of ours. */
export class PullRole implements LinkRole {
  readonly purpose = 'play';
  readonly #attempt: PullAttempt;
  readonly #streamName: string;
  readonly #env: LinkEnv;
  #link: LinkHandle | undefined;
  /** From when the server agreed. */
  #input: RtmpToStream | undefined;
  readonly #unusable = new Map<'video' | 'audio', string>();
  #notCarried = 0;
  /** Packets at the last check, and when there were more of them last. */
  #packets = 0;
  #packetsAtMs = 0;

  constructor(attempt: PullAttempt, streamName: string, env: LinkEnv) {
    this.#attempt = attempt;
    this.#streamName = streamName;
    this.#env = env;
  }

  get settled(): boolean {
    return this.#taken > 0;
  }

  get #taken(): number {
    const { audio, video } = (this.#input?.counts ?? NOTHING).packets;
    return audio + video;
  }

  get overdue(): RelayEnd {
    const waited = `${this.#attempt.connectTimeoutMs} ms`;
    if (this.#unusable.size > 0) {
      const reasons = [...this.#unusable.values()].join(', ');
      return { code: 'invalid', message: `nothing that the server sends can be used: ${reasons}` };
    }
    return {
      code: 'not_found',
      message: `the server agreed, but sends nothing (${waited}): is the stream published there?`,
    };
  }

  prepare(server: ServerConnection): void {
    server.acceptMedia(this.#env.options.maxMessageBytes);
    // Some networks for content fetch the stream from its origin only then; others ignore it.
    server.call('FCSubscribe', [null, this.#streamName]);
  }

  begin(link: LinkHandle): void {
    this.#link = link;
    const { server, streamId } = link;
    server.tell(streamId, 'play', [this.#streamName, START_LIVE]);
    server.write(userControl(USER_CONTROL.setBufferLength, streamId, this.#env.options.bufferLengthMs));
  }

  status({ code }: Status): void {
    if (code === 'NetStream.Play.Start' || code === 'NetStream.Play.PublishNotify') this.#agreed();
  }

  audio(body: Uint8Array, timestamp: number): void {
    this.#take('audio', (input) => input.audio(body, timestamp));
  }

  video(body: Uint8Array, timestamp: number): void {
    this.#take('video', (input) => input.video(body, timestamp));
  }

  data(values: AmfValue[]): void {
    if (this.#link === undefined) return;
    if (values[0] !== 'onPlayStatus') return this.#agreed().data(values);
    const end = endOfStatus(statusOf(values), []);
    if (end !== undefined && this.settled) this.#link.finish(end.code, end.message);
  }

  streamEvent(event: number): void {
    // One that comes before anything was played is about nothing.
    if (event === USER_CONTROL.streamEof && this.settled)
      this.#link?.finish('ended', 'the stream is over at the server');
  }

  check(nowMs: number): RelayEnd | undefined {
    if (this.#taken !== this.#packets) {
      this.#packets = this.#taken;
      this.#packetsAtMs = nowMs;
    }
    const { stallTimeoutMs } = this.#attempt;
    if (!this.settled || nowMs - this.#packetsAtMs <= stallTimeoutMs) return undefined;
    return { code: 'stalled', message: `the server has sent no media for ${stallTimeoutMs} ms` };
  }

  goodbye(): void {
    if (this.#link === undefined) return;
    const { server, streamId } = this.#link;
    server.call('deleteStream', [null, streamId]);
  }

  release(): void {}

  facts(): Pick<RelayLinkFacts, 'packets' | 'drops'> {
    const { broken, notCarried } = this.#input?.counts ?? NOTHING;
    return { packets: this.#taken, drops: { broken, not_carried: notCarried + this.#notCarried } };
  }

  /** Some servers send media, or metadata, without saying that they will. */
  #agreed(): RtmpToStream {
    const { stream } = this.#attempt;
    if (this.#input === undefined) {
      this.#link?.agreed();
      const { counters, options } = this.#env;
      this.#input = new RtmpToStream(stream, {
        counters,
        media: options.pullMedia,
        maxDecFrameBuffering: -1,
        delayed: false,
        emit: (packet) => {
          stream.publishCopy(packet);
          this.#link?.flowing();
        },
      });
    }
    return this.#input;
  }

  #take(kind: 'video' | 'audio', read: (input: RtmpToStream) => void): void {
    if (this.#link === undefined) return;
    if (this.#unusable.has(kind)) return void this.#notCarried++;
    try {
      read(this.#agreed());
    } catch (error) {
      if (!(error instanceof UnsupportedCodecError)) throw error;
      this.#unusable.set(kind, error.message);
      this.#attempt.events.onNote(`${kind} is left out: ${error.codecName} is not supported`);
    }
  }
}

const NOTHING = { packets: { audio: 0, video: 0 }, broken: 0, notCarried: 0 };

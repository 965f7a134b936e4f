import { randomUUID } from 'node:crypto';
import {
  MediaServerError,
  type PullStart,
  type PushStart,
  type RelayFacts,
  type RelaySound,
  type Relays,
} from '../../core/index.ts';

/** Relays that only remember what they were asked for. */
export class ScriptedRelays implements Relays {
  readonly relays: RelayFacts[] = [];
  readonly starts: (PullStart | PushStart)[] = [];
  /** Thrown by the next start. */
  refusal: MediaServerError | undefined;

  all(): readonly RelayFacts[] {
    return this.relays;
  }

  get(mediaSessionId: string): RelayFacts | undefined {
    return this.relays.find((relay) => relay.mediaSessionId === mediaSessionId);
  }

  async pull(start: PullStart): Promise<RelayFacts> {
    return this.#add({ direction: 'pull', streamName: start.streamName ?? start.url, record: start.record }, start);
  }

  async push(start: PushStart): Promise<RelayFacts> {
    const { streamName, muted, sound, fullUrl, without } = start;
    const options = { muted, sound, fullUrl, without };
    return this.#add({ direction: 'push', streamName, muted, sound, options }, start);
  }

  end(matches: (relay: RelayFacts) => boolean): number {
    const ended = this.relays.filter(matches);
    for (const relay of ended) this.relays.splice(this.relays.indexOf(relay), 1);
    return ended.length;
  }

  setMuted(mediaSessionId: string, muted: boolean): void {
    this.change(mediaSessionId, { muted });
  }

  async setSound(mediaSessionId: string, sound: RelaySound | undefined): Promise<void> {
    this.change(mediaSessionId, { sound });
  }

  change(mediaSessionId: string, facts: Partial<RelayFacts>): void {
    const relay = this.get(mediaSessionId);
    if (relay === undefined) throw new MediaServerError('RELAY_NOT_FOUND', 'there is no such relay');
    this.relays[this.relays.indexOf(relay)] = { ...relay, ...facts };
  }

  #add(facts: Partial<{ [K in keyof RelayFacts]: RelayFacts[K] | undefined }>, start: PullStart | PushStart) {
    if (this.refusal !== undefined) throw this.refusal;
    const { url, remoteStreamName, origin = 'api' } = start;
    if (this.relays.some((relay) => relay.url === url && relay.streamName === facts.streamName))
      throw new MediaServerError('RELAY_BUSY', 'that runs already');
    this.starts.push(start);
    const relay: RelayFacts = {
      mediaSessionId: randomUUID(),
      remoteMediaSessionId: undefined,
      direction: facts.direction ?? 'pull',
      protocol: 'rtmp',
      origin,
      url,
      streamName: facts.streamName ?? '',
      remoteStreamName,
      state: 'connecting',
      createdAtMs: 1000.4,
      attempts: 0,
      reconnects: 0,
      lastError: undefined,
      nextAttemptAtMs: undefined,
      hasVideo: false,
      hasAudio: false,
      record: facts.record ?? false,
      notes: [],
      bytes: 0,
      packets: 0,
      drops: {},
      lostPackets: undefined,
      muted: facts.muted ?? false,
      sound: facts.sound,
      options: facts.options ?? {},
    };
    this.relays.push(relay);
    return relay;
  }
}

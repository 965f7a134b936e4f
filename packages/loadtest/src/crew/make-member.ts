import type { Agent } from 'node:http';
import type { DtlsCertificate } from '@sluice/server/wire/webrtc/dtls/types';
import type { Figures } from '../figures/figures.ts';
import { keepingAgent } from '../http.ts';
import type { Member } from '../member.ts';
import type { Plan } from '../plan.ts';
import { RtmpPublisher } from '../publish/rtmp-publisher.ts';
import { WhipPublisher } from '../publish/whip-publisher.ts';
import { type Clip, madeClip } from '../source/clip.ts';
import { fileClip } from '../source/file-clip.ts';
import { FlvViewer } from '../view/flv-viewer.ts';
import { HlsViewer } from '../view/hls-viewer.ts';
import { RtmpViewer } from '../view/rtmp-viewer.ts';
import { WebRtcViewer } from '../view/webrtc-viewer.ts';
import { type OpenDatagrams, openNodeDatagrams } from '../webrtc/datagrams.ts';
import { HttpSignalling } from '../webrtc/http-signalling.ts';
import { makeIdentity } from '../webrtc/identity.ts';
import { NativeDatagrams } from '../webrtc/native-datagrams.ts';
import type { WebRtcSessionOptions } from '../webrtc/session.ts';
import type { Signalling, SignallingOptions } from '../webrtc/signalling.ts';
import { WebSdkSignalling } from '../webrtc/web-sdk-signalling.ts';
import type { GroupTask, MemberTask } from './crew-messages.ts';

/** Connections for offers that are kept to one server. */
const SIGNALLING_SOCKETS = 64;

/** Makes the members of a crew, which share what can be shared. */
export class MemberMaker {
  readonly #plan: Plan;
  readonly #certificate: DtlsCertificate;
  readonly #agents = new Map<string, Agent>();
  readonly #clips = new Map<string, Clip>();
  readonly #openDatagrams: OpenDatagrams = NativeDatagrams.load()?.open ?? openNodeDatagrams;

  private constructor(plan: Plan, certificate: DtlsCertificate) {
    this.#plan = plan;
    this.#certificate = certificate;
  }

  /** @throws Error when a file can not be sent in the way that is wanted */
  static async prepare(plan: Plan, groups: readonly GroupTask[]): Promise<MemberMaker> {
    const maker = new MemberMaker(plan, await makeIdentity());
    for (const { role, protocol } of groups) {
      if (role !== 'publish' || maker.#clips.has(protocol)) continue;
      maker.#clips.set(protocol, await clipFor(protocol, plan));
    }
    return maker;
  }

  make(group: GroupTask, { url, checked }: MemberTask, figures: Figures): Member {
    const plan = this.#plan;
    const { protocol } = group;
    if (group.role === 'publish') return this.#publisher(protocol, url, figures);
    switch (protocol) {
      case 'rtmp':
        return new RtmpViewer(url, figures, plan);
      case 'flv':
        return new FlvViewer(url, figures, plan);
      case 'hls':
      case 'll-hls':
        return new HlsViewer(url, figures, { ...plan, checked, lowLatency: protocol === 'll-hls' });
      default:
        return new WebRtcViewer(url, figures, { ...plan, checked, ...this.#webRtc(protocol, url) });
    }
  }

  /** Lets go of kept connections. */
  close(): void {
    for (const agent of this.#agents.values()) agent.destroy();
  }

  #publisher(protocol: string, url: string, figures: Figures): Member {
    const { joinTimeoutMs, insecure } = this.#plan;
    const clip = this.#clips.get(protocol);
    if (clip === undefined) throw new Error(`nothing was prepared for ${protocol}`);
    if (protocol === 'rtmp') return new RtmpPublisher(url, figures, { clip, joinTimeoutMs });
    return new WhipPublisher(url, figures, { clip, joinTimeoutMs, insecure, ...this.#webRtc(protocol, url) });
  }

  #webRtc(protocol: string, url: string): Pick<WebRtcSessionOptions, 'certificate' | 'openDatagrams' | 'signalling'> {
    return {
      certificate: this.#certificate,
      openDatagrams: this.#openDatagrams,
      signalling: (options) => this.#signalling(protocol, url, options),
    };
  }

  #signalling(protocol: string, url: string, options: SignallingOptions): Signalling {
    if (protocol === 'websdk') return new WebSdkSignalling(url, options);
    return new HttpSignalling(url, options, this.#agentOf(url));
  }

  #agentOf(url: string): Agent {
    const { origin } = new URL(url);
    const known = this.#agents.get(origin);
    const agent = known ?? keepingAgent(url, { maxSockets: SIGNALLING_SOCKETS, insecure: this.#plan.insecure });
    this.#agents.set(origin, agent);
    return agent;
  }
}

async function clipFor(protocol: string, plan: Plan): Promise<Clip> {
  const { source, pictures, soundBps } = plan;
  if (source === undefined)
    return madeClip(pictures, { codec: protocol === 'whip' ? 'opus' : 'aac', bitrateBps: soundBps });
  const clip = await fileClip(source);
  const { video, audio } = clip;
  if (protocol === 'whip' && (video.track.codec !== 'h264' || (audio?.track.codec ?? 'opus') !== 'opus'))
    throw new Error(`${source} can not be sent by WHIP: that takes H.264 and Opus`);
  return clip;
}

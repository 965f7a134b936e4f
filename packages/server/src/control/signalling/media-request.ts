import type { StreamRequest } from '@sluice/contract';
import type { Log, MediaSocketRequest, PeerRequest, SocketProvider, VideoForm } from '../../core/index.ts';
import { bitrateWishes } from './bitrate-wishes.ts';
import type { ClientLink } from './client-link.ts';
import { customFields, numberOf } from './client-message.ts';

/** What is known of a stream when it is handed over to whoever carries its media. */
export interface KnownStream {
  readonly streamName: string;
  readonly mediaSessionId: string;
  readonly published: boolean;
  /** Published for a room, whose recordings are one file each (functions-5 §10.5). */
  readonly inRoom: boolean;
  readonly request: Partial<StreamRequest>;
  readonly link: ClientLink;
  /** `login` of file names of recordings. */
  readonly login: string;
  readonly playWaitMs: number;
  readonly signal: AbortSignal;
  readonly events: PeerRequest['events'];
}

const SOCKET_PROVIDERS: readonly string[] = ['MSE', 'WSPlayer'] satisfies readonly SocketProvider[];
/** Picture that `quality` alone is a part of: of the size that most publishers send. */
const USUAL_WIDTH = 1280;
const USUAL_HEIGHT = 720;
const USUAL_FPS = 30;
/** Bits for each pixel at `quality` 0 and 100: H.264 is coarse at the one, and hardly to be told from its source at the other. */
const LEAST_BITS_PER_PIXEL = 0.02;
const MOST_BITS_PER_PIXEL = 0.17;

/** The provider of a request whose media goes by WebSocket; undefined for others. */
export function socketProvider({ mediaProvider = '' }: Partial<StreamRequest>): SocketProvider | undefined {
  return SOCKET_PROVIDERS.includes(mediaProvider) ? (mediaProvider as SocketProvider) : undefined;
}

/** What a WebRTC peer is asked for. */
export function peerRequest(stream: KnownStream): PeerRequest {
  const { request, published, link } = stream;
  const { cvoExtension, transport } = request;
  return {
    ...shared(stream),
    mediaProvider: 'WebRTC',
    localAddress: link.localAddress,
    videoOrientation: cvoExtension === true,
    record: published && request.record === true,
    rotation: stream.inRoom ? 'disabled' : undefined,
    login: stream.login,
    transport: transportOf(transport, link.log),
    ...bitrateWishes(request, published, link.log),
    picture: published ? undefined : pictureOf(request),
  };
}

/** What a player by WebSocket is asked for. */
export function socketRequest(stream: KnownStream, provider: SocketProvider): MediaSocketRequest {
  return { ...shared(stream), provider, picture: pictureOf(stream.request) };
}

/**
 * The form of the picture that `playStream` asks for (websdk-signalling.md §5.3); undefined when it asks for none. With a
 * `quality` and no `bitrate`, the bitrate is so many bits for each pixel, linear from 0.02 to 0.17, of the size that is
 * asked for, or else of 720p, at 30 pictures a second: 50 is 2.6 Mbit/s there.
 */
export function pictureOf({ width, height, bitrate, quality }: Partial<StreamRequest>): VideoForm | undefined {
  const [w, h, kbps, q] = [width, height, bitrate, quality].map((value) => Math.round(numberOf(value)));
  const form: VideoForm = {
    ...(w ? { width: w } : {}),
    ...(h ? { height: h } : {}),
    ...(kbps ? { bitrateBps: kbps * 1000 } : q ? { bitrateBps: bitrateOf(q, w, h) } : {}),
  };
  return Object.keys(form).length === 0 ? undefined : form;
}

function bitrateOf(quality: number, width = 0, height = 0): number {
  const shape = USUAL_WIDTH / USUAL_HEIGHT;
  const pictureWidth = width || (height ? height * shape : USUAL_WIDTH);
  const pictureHeight = height || pictureWidth / shape;
  const share = Math.min(100, quality) / 100;
  const bitsPerPixel = LEAST_BITS_PER_PIXEL + share * (MOST_BITS_PER_PIXEL - LEAST_BITS_PER_PIXEL);
  return Math.round(pictureWidth * pictureHeight * USUAL_FPS * bitsPerPixel);
}

/** `TCP` and `UDP`, however they are written; anything else leaves the choice to the client. */
function transportOf(transport: string | undefined, log: Log): 'udp' | 'tcp' | undefined {
  const wanted = transport?.toLowerCase();
  if (wanted === 'udp' || wanted === 'tcp') return wanted;
  if (wanted !== undefined && wanted !== '') log.debug({ transport }, 'transport of a stream is not known: left out');
  return undefined;
}

function shared(stream: KnownStream) {
  const { request, link, published } = stream;
  return {
    streamName: stream.streamName,
    mediaSessionId: stream.mediaSessionId,
    sessionId: link.sessionId,
    appKey: link.appKey,
    remoteAddress: link.remoteAddress,
    offer: request.sdp ?? '',
    custom: customFields(request.custom),
    waitMs: published ? undefined : stream.playWaitMs,
    signal: stream.signal,
    events: stream.events,
  };
}

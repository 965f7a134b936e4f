import type { StreamStatus, StreamStatusObject } from '@sluice/contract';
import type { ClientLink } from './client-link.ts';
import type { ClientStream } from './client-stream.ts';
import { socketProvider } from './media-request.ts';
import { integerOf } from './stream-request.ts';

/** The whole stream object with its status, as WCS tells it (websdk-signalling.md §5.7). */
export function streamStatus(
  stream: ClientStream,
  link: Pick<ClientLink, 'appKey' | 'sessionId'>,
  told: { readonly status: StreamStatus; readonly info?: string; readonly recordName?: string },
): StreamStatusObject {
  const { status, info, recordName } = told;
  const { request, peer, size, signals, published } = stream;
  const { audioCodec, videoCodec } = peer ?? {};
  return {
    appKey: link.appKey,
    sessionId: link.sessionId,
    mediaSessionId: stream.mediaSessionId,
    name: stream.name,
    published,
    hasVideo: peer === undefined ? request.hasVideo === true : videoCodec !== undefined,
    hasAudio: peer === undefined ? request.hasAudio === true : audioCodec !== undefined,
    status,
    ...(info === undefined ? {} : { info }),
    ...(audioCodec === undefined ? {} : { audioCodec }),
    ...(videoCodec === undefined ? {} : { videoCodec }),
    record: request.record === true,
    ...(recordName === undefined ? {} : { recordName }),
    width: size?.width ?? integerOf(request.width),
    height: size?.height ?? integerOf(request.height),
    bitrate: integerOf(request.bitrate),
    minBitrate: integerOf(request.minBitrate),
    maxBitrate: integerOf(request.maxBitrate),
    quality: integerOf(request.quality),
    history: false,
    gop: 0,
    fps: 0,
    audioBitrate: 0,
    codecImpl: '',
    transport: socketProvider(request) !== undefined || peer?.transport === 'tcp' ? 'TCP' : 'UDP',
    cvoExtension: request.cvoExtension === true,
    createDate: stream.createDate,
    mediaType: published ? 'publish' : 'play',
    audioState: { muted: signals?.audioMuted ?? false },
    videoState: { muted: signals?.videoMuted ?? false },
    mediaProvider: request.mediaProvider ?? 'WebRTC',
  };
}

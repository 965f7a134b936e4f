import { randomBytes, randomUUID } from 'node:crypto';
import { type DescribedMedia, ProtocolError, readMediaTracks } from '@sluice/media';
import { type ClientAccess, infoOfError, MediaServerError, type StreamAccess } from '../../../core/index.ts';
import type { RtspRequest } from '../wire/reader.ts';
import type { RtspContext } from './context.ts';
import { type RtspPeer, type RtspReply, refusal } from './peer.ts';
import type { RtspTarget } from './target.ts';

/** A publication that was admitted; whoever holds it tells `access` and `client` of its end. */
export interface AdmittedPublication {
  readonly mediaSessionId: string;
  readonly target: RtspTarget;
  /** Name in the hub, which the back end may have chosen. */
  readonly name: string;
  readonly described: DescribedMedia;
  readonly client: ClientAccess;
  readonly access: StreamAccess;
}

/** Reads what a client announces and asks whether it may publish that; a refusal if not. */
export async function admitPublisher(
  target: RtspTarget,
  request: RtspRequest,
  env: { readonly peer: RtspPeer; readonly context: RtspContext },
): Promise<AdmittedPublication | RtspReply> {
  const described = read(request);
  if ('status' in described) return described;
  if (described.tracks.length === 0)
    return refusal(415, described.notes[0] ?? 'the description has no media that can be taken');
  const { access, options } = env.context;
  let client: ClientAccess | undefined;
  try {
    client = await access.connect(introduction(target, env));
    client.established();
    const mediaSessionId = randomUUID();
    const admitted = await client.publish({
      mediaSessionId,
      name: target.streamName,
      mediaProvider: 'RTSP',
      hasVideo: described.tracks.some(({ kind }) => kind === 'video'),
      hasAudio: described.tracks.some(({ kind }) => kind === 'audio'),
      custom: target.custom,
      fields: { record: options.recordPublished, width: 0, height: 0, bitrate: 0 },
    });
    const admission = { mediaSessionId, target, name: admitted.name, described, client, access: admitted };
    return busy(admission, env.context) ?? admission;
  } catch (error) {
    client?.end(infoOfError(error));
    if (error instanceof MediaServerError) return { ...refusal(error.status, error.message), close: true };
    throw error;
  }
}

/** It is told early, before the tracks are set up; the name is taken by RECORD. */
function busy({ name, access, client }: AdmittedPublication, { streams }: RtspContext): RtspReply | undefined {
  if (streams.get(name)?.live !== true) return undefined;
  const error = new MediaServerError('STREAM_NAME_BUSY', `stream "${name}" is already being published`);
  const info = infoOfError(error);
  access.ended('FAILED', info);
  client.end(info);
  return refusal(error.status, error.message);
}

function read({ headers, body }: RtspRequest): DescribedMedia | RtspReply {
  const type = headers.get('Content-Type');
  if (type !== undefined && !/sdp/i.test(type)) return refusal(415, 'streams are announced by SDP');
  try {
    return readMediaTracks(Buffer.from(body).toString());
  } catch (error) {
    if (error instanceof ProtocolError) return refusal(400, error.message);
    throw error;
  }
}

function introduction(
  { appKey, custom }: RtspTarget,
  { peer, context }: { readonly peer: RtspPeer; readonly context: RtspContext },
): Parameters<RtspContext['access']['connect']>[0] {
  return {
    sessionId: peer.sessionId,
    appKey: appKey ?? context.options.defaultAppKey,
    protocol: 'rtsp',
    remoteAddress: peer.remoteAddress,
    custom,
    fields: { login: randomBytes(15).toString('base64url'), keepAlive: false, clientVersion: peer.agent },
    close: (reason) => peer.finish(reason),
  };
}

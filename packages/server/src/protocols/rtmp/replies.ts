import { type AmfValue, encodeAmf0 } from '@sluice/media';
import { enhancedProperties } from './connect.ts';
import { PLAY_STREAM_ID } from './packager.ts';
import {
  CHUNK_STREAM,
  MESSAGE,
  setChunkSize,
  setPeerBandwidth,
  USER_CONTROL,
  userControl,
  windowAcknowledgementSize,
  writeMessage,
} from './wire/chunk-writer.ts';

const WINDOW_BYTES = 2_500_000;

/** What the server says of itself, the same for everybody. */
const SERVER_PROPERTIES = encodeAmf0({ fmsVer: 'FMS/3,5,7,7009', capabilities: 31, mode: 1, ...enhancedProperties() });

/** A command or an answer to one, on the connection (Adobe RTMP 1.0 §7.2.1). */
export function commandMessage(chunkSize: number, name: string, ...values: readonly AmfValue[]): Buffer {
  return commandOf(chunkSize, [encodeAmf0(name, ...values)]);
}

function commandOf(chunkSize: number, encoded: readonly Uint8Array[]): Buffer {
  const header = { chunkStreamId: CHUNK_STREAM.command, type: MESSAGE.command, streamId: 0, timestamp: 0 };
  return writeMessage(header, Buffer.concat(encoded), chunkSize);
}

/** An onStatus on the stream that is being published or played (§7.2.2). */
export function statusMessage(
  chunkSize: number,
  status: { readonly level: 'status' | 'error'; readonly code: string; readonly description: string },
): Buffer {
  return streamMessage(chunkSize, MESSAGE.command, encodeAmf0('onStatus', 0, null, { ...status }));
}

/** Tells a player that it may look into samples; Flash players wait for it. */
export function sampleAccessMessage(chunkSize: number): Buffer {
  return streamMessage(chunkSize, MESSAGE.data, encodeAmf0('|RtmpSampleAccess', true, true));
}

/** All that answers a connect: limits, our chunk size, which holds from the next message on, and the result. */
export function connectReply(chunkSize: number, transactionId: number, objectEncoding: 0 | 3): Buffer {
  const info = {
    level: 'status',
    code: 'NetConnection.Connect.Success',
    description: 'Connection succeeded.',
    objectEncoding,
  };
  return Buffer.concat([
    windowAcknowledgementSize(WINDOW_BYTES),
    setPeerBandwidth(WINDOW_BYTES),
    setChunkSize(chunkSize),
    userControl(USER_CONTROL.streamBegin, 0),
    commandOf(chunkSize, [encodeAmf0('_result', transactionId), SERVER_PROPERTIES, encodeAmf0(info)]),
    commandMessage(chunkSize, 'onBWDone', 0, null),
  ]);
}

/** Refuses a connect (§7.2.1.1). */
export function connectRefusal(chunkSize: number, transactionId: number, description: string): Buffer {
  const info = { level: 'error', code: 'NetConnection.Connect.Rejected', description };
  return commandMessage(chunkSize, '_error', transactionId, null, info);
}

/**
 * Asks a peer to connect anew (Enhanced RTMP v2, "Reconnect Request").
 * @param url Where to; empty: where it is now.
 */
export function reconnectRequest(chunkSize: number, url: string): Buffer {
  const info = {
    level: 'status',
    code: 'NetConnection.Connect.ReconnectRequest',
    description: 'The server is going to stop.',
    ...(url === '' ? {} : { tcUrl: url }),
  };
  return commandMessage(chunkSize, 'onStatus', 0, null, info);
}

function streamMessage(chunkSize: number, type: number, body: Uint8Array): Buffer {
  return writeMessage(
    { chunkStreamId: CHUNK_STREAM.data, type, streamId: PLAY_STREAM_ID, timestamp: 0 },
    body,
    chunkSize,
  );
}

import type { RtspHeaders } from './headers.ts';

/** Reasons of status codes (RFC 2326 §7.1.1, RFC 2616 §6.1.1). */
export const RTSP_REASONS: Readonly<Record<number, string>> = {
  100: 'Continue',
  200: 'OK',
  301: 'Moved Permanently',
  302: 'Found',
  400: 'Bad Request',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'Not Found',
  405: 'Method Not Allowed',
  406: 'Not Acceptable',
  408: 'Request Time-out',
  409: 'Conflict',
  413: 'Request Entity Too Large',
  414: 'Request-URI Too Large',
  415: 'Unsupported Media Type',
  429: 'Too Many Requests',
  451: 'Parameter Not Understood',
  453: 'Not Enough Bandwidth',
  454: 'Session Not Found',
  455: 'Method Not Valid in This State',
  457: 'Invalid Range',
  459: 'Aggregate Operation Not Allowed',
  460: 'Only Aggregate Operation Allowed',
  461: 'Unsupported Transport',
  500: 'Internal Server Error',
  501: 'Not Implemented',
  503: 'Service Unavailable',
  505: 'RTSP Version Not Supported',
  551: 'Option not supported',
};

export interface RequestToWrite {
  readonly method: string;
  readonly uri: string;
  readonly headers: RtspHeaders;
  readonly body?: Uint8Array | string;
  /** `RTSP/1.0` when left out. */
  readonly version?: string;
}

export interface ResponseToWrite {
  readonly status: number;
  /** What RFC 2326 calls that status when left out. */
  readonly reason?: string;
  readonly headers: RtspHeaders;
  readonly body?: Uint8Array | string;
  /** `RTSP/1.0` when left out. */
  readonly version?: string;
}

/**
 * The bytes of a request (RFC 2326 §6). Content-Length is added when there is a body and no such field. Line ends
 * within a part become spaces: nothing that is written can begin another header or message.
 */
export function writeRequest(request: RequestToWrite): Buffer {
  const uri = oneLine(request.uri).replaceAll(' ', '%20');
  return write(`${oneLine(request.method)} ${uri} ${request.version ?? 'RTSP/1.0'}`, request.headers, request.body);
}

/** The bytes of a response (RFC 2326 §7); otherwise as `writeRequest`. */
export function writeResponse(response: ResponseToWrite): Buffer {
  const reason = response.reason ?? RTSP_REASONS[response.status] ?? 'Unknown';
  const start = `${response.version ?? 'RTSP/1.0'} ${response.status} ${oneLine(reason)}`;
  return write(start, response.headers, response.body);
}

/** Bytes before the packet in an interleaved frame (RFC 2326 §10.12). */
export const INTERLEAVED_HEADER_BYTES = 4;

/**
 * A packet as interleaved frame; `channel` is 0 to 255.
 * @throws RangeError for packets of over 65,535 bytes
 */
export function writeInterleaved(channel: number, packet: Uint8Array): Buffer {
  if (packet.length > 0xffff) throw new RangeError(`a packet of ${packet.length} bytes`);
  const frame = Buffer.allocUnsafe(INTERLEAVED_HEADER_BYTES + packet.length);
  frame[0] = 0x24;
  frame[1] = channel;
  frame.writeUInt16BE(packet.length, 2);
  frame.set(packet, INTERLEAVED_HEADER_BYTES);
  return frame;
}

function write(start: string, headers: RtspHeaders, body: Uint8Array | string | undefined): Buffer {
  const content = typeof body === 'string' ? Buffer.from(body) : body;
  let head = `${start}\r\n`;
  for (const [name, value] of headers) head += `${oneLine(name)}: ${oneLine(value)}\r\n`;
  if (content !== undefined && content.length > 0 && headers.get('Content-Length') === undefined) {
    head += `Content-Length: ${content.length}\r\n`;
  }
  const bytes = Buffer.from(`${head}\r\n`);
  return content === undefined ? bytes : Buffer.concat([bytes, content]);
}

function oneLine(value: string): string {
  return /[\r\n\0]/.test(value) ? value.replaceAll(/[\r\n\0]+/g, ' ') : value;
}

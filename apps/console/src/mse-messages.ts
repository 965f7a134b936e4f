import { mediaSourceClass } from './player-source.ts';

/** Codecs of pictures beside H.264, with one of their names in files (RFC 6381). */
const VIDEO_NAMES = { h265: 'hvc1.1.6.L93.B0', av1: 'av01.0.04M.08', vp9: 'vp09.00.10.08' } as const;

/** Tells the server what this browser plays as it is: the rest is converted there. */
export function withSupport(address: string): string {
  const supports = (type: string): boolean => mediaSourceClass()?.isTypeSupported(type) === true;
  const others = Object.entries(VIDEO_NAMES).filter(([, name]) => supports(`video/mp4; codecs="${name}"`));
  const url = new URL(address);
  url.searchParams.set('codecs', ['h264', ...others.map(([codec]) => codec)].join(','));
  if (supports('audio/mp4; codecs="opus"')) url.searchParams.set('audio', 'opus');
  return url.href;
}

/** What the server says between the media. */
export interface MseMessage {
  /** Of the media that follow. */
  readonly mimeType?: string;
  /** Newest moment of the stream that the server has, milliseconds on the timeline of the media. */
  readonly streamMs?: number;
  /** Why it ends. */
  readonly message?: string;
}

/** Reads a text message of the server. Total: what is none of them says nothing. */
export function readMessage(text: string): MseMessage {
  try {
    const { codecs, streamMs, message } = JSON.parse(text) as Record<string, unknown>;
    return {
      ...(typeof codecs === 'string' && codecs !== '' ? { mimeType: codecs } : {}),
      ...(typeof streamMs === 'number' ? { streamMs } : {}),
      ...(typeof message === 'string' ? { message } : {}),
    };
  } catch {
    return {};
  }
}

/** How many tracks a type means. */
export function trackCount(mimeType: string): number {
  return mimeType.split(',').length;
}

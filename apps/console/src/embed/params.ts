import { AUTOMATIC_ORDER, type PlayProtocol, PROTOCOLS } from '../play-protocol.ts';

/** How the picture lies in the frame, as CSS's `object-fit` has it. */
export type Fit = 'contain' | 'cover' | 'fill';

/** What the address of an embedded page asks for. */
export interface EmbedParams {
  readonly stream: string;
  /** Ways to play, in the order in which they are tried. */
  readonly order: readonly PlayProtocol[];
  readonly autoplay: boolean;
  readonly muted: boolean;
  readonly controls: boolean;
  /** Shows a picture of the stream until it plays. */
  readonly poster: boolean;
  /** Empty: as published. `auto`: by what the line takes. Else a profile's name or a height such as `720`. */
  readonly quality: string;
  readonly fit: Fit;
  /** Size of the picture that the server is to make. */
  readonly picture: { readonly width: number | undefined; readonly height: number | undefined };
  /** All that is not ours: goes to the server with each address, such as a token. */
  readonly custom: Readonly<Record<string, string>>;
}

/** Names of the Web SDK for ways to play (websdk-signalling.md §17.1). */
const PROVIDERS: Readonly<Record<string, PlayProtocol>> = { webrtc: 'webrtc', mse: 'mse', hls: 'hls' };
/** Providers of the Web SDK that this page does not play by. */
const REFUSED = /^(wsplayer|flash)$/;
const FITS: readonly Fit[] = ['contain', 'cover', 'fill'];
const MAX_CUSTOM = 32;
const MAX_VALUE_LENGTH = 4096;
const SIDES = { least: 16, most: 8192 };

const OURS: ReadonlySet<string> = new Set([
  ...['stream', 'streamName', 'urlServer', 'protocols', 'mediaProviders', 'autoplay', 'muted', 'mute'],
  ...['controls', 'poster', 'quality', 'fit', 'width', 'height'],
]);

/**
 * Reads the parameters of an embedded page: our own, and those of WCS's `embed_player`. `host` is that of the page.
 * Total: what can't be played gives a sentence that says why.
 */
export function readEmbedParams(search: string, host: string): EmbedParams | string {
  const given = new URLSearchParams(search);
  const stream = given.get('stream') ?? given.get('streamName') ?? '';
  if (stream === '') return 'The address names no stream. Add ?stream=NAME to it.';
  const foreign = foreignServer(given.get('urlServer') ?? '', host);
  if (foreign !== '') return foreign;
  const order = orderOf(given.get('protocols') ?? given.get('mediaProviders') ?? '');
  if (typeof order === 'string') return order;
  const fit = FITS.find((name) => name === given.get('fit')) ?? 'contain';
  return {
    stream,
    order,
    autoplay: flag(given, ['autoplay'], true),
    muted: flag(given, ['muted', 'mute'], true),
    controls: flag(given, ['controls'], true),
    poster: flag(given, ['poster'], true),
    quality: (given.get('quality') ?? '').slice(0, MAX_VALUE_LENGTH),
    fit,
    picture: { width: side(given.get('width')), height: side(given.get('height')) },
    custom: customOf(given),
  };
}

/** This page plays from its own server only: it must not show what others send under this server's name. */
function foreignServer(urlServer: string, host: string): string {
  if (urlServer === '') return '';
  const named = hostOf(urlServer);
  if (named === '') return `urlServer=${urlServer} is not an address such as wss://media.example.com:8443.`;
  if (plainHost(named) === plainHost(host)) return '';
  return `This page plays streams of ${host} only, and urlServer names ${named}. Take the page from ${named} instead.`;
}

/** Empty for what is no address. `URL.parse` is too new for many browsers. */
function hostOf(address: string): string {
  try {
    return new URL(address).hostname;
  } catch {
    return '';
  }
}

/** All names of this machine count as one. */
function plainHost(host: string): string {
  return /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(host) ? 'localhost' : host.toLowerCase();
}

function orderOf(text: string): readonly PlayProtocol[] | string {
  const names = text
    .split(',')
    .map((name) => name.trim().toLowerCase())
    .filter((name) => name !== '' && name !== 'auto');
  if (names.length === 0) return AUTOMATIC_ORDER;
  const known = names.map((name) => PROVIDERS[name] ?? PROTOCOLS.find(({ id }) => id === name)?.id);
  const order = [...new Set(known.filter((protocol) => protocol !== undefined && protocol !== 'auto'))];
  if (order.length > 0) return order;
  const refused = names.filter((name) => REFUSED.test(name));
  const what = refused.length > 0 ? 'WSPlayer and Flash are not played here.' : `“${text}” names no way to play.`;
  return `${what} Take WebRTC, MSE, LL-HLS or HLS.`;
}

function flag(given: URLSearchParams, names: readonly string[], otherwise: boolean): boolean {
  const value = names.map((name) => given.get(name)).find((text) => text !== null);
  if (value === undefined) return otherwise;
  return !/^(0|false|no|off)$/i.test(value);
}

function side(text: string | null): number | undefined {
  const pixels = /^\d{1,4}$/.test(text ?? '') ? Number(text) : 0;
  return pixels >= SIDES.least && pixels <= SIDES.most ? pixels : undefined;
}

function customOf(given: URLSearchParams): Readonly<Record<string, string>> {
  const rest = [...given].filter(([name, value]) => !OURS.has(name) && value.length <= MAX_VALUE_LENGTH);
  return Object.fromEntries(rest.slice(0, MAX_CUSTOM));
}

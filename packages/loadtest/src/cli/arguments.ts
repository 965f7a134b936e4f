import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import type { GroupPlan, Plan, PublishProtocol, ViewProtocol } from '../plan.ts';
import { parseRtmpAddress } from '../rtmp/rtmp-address.ts';
import { MAX_PICTURES } from '../source/pictures.ts';

/** Something on the command line that can not be done; its message is for people. */
export class UsageError extends Error {}

/** What the command line asks for. */
export type Request = { readonly kind: 'help' } | { readonly kind: 'run'; readonly plan: Plan; readonly json: boolean };

const MULTIPLE = { type: 'string', multiple: true } as const;
const TEXT = { type: 'string' } as const;
const FLAG = { type: 'boolean', default: false } as const;
const OPTIONS = {
  to: MULTIPLE,
  publish: MULTIPLE,
  from: MULTIPLE,
  view: MULTIPLE,
  count: MULTIPLE,
  publishers: MULTIPLE,
  viewers: MULTIPLE,
  pid: MULTIPLE,
  rate: TEXT,
  time: TEXT,
  settle: TEXT,
  'warm-up': TEXT,
  streams: TEXT,
  'join-timeout': TEXT,
  freeze: TEXT,
  feedback: TEXT,
  'check-every': TEXT,
  threads: TEXT,
  size: TEXT,
  fps: TEXT,
  bitrate: TEXT,
  key: TEXT,
  'audio-bitrate': TEXT,
  source: TEXT,
  metrics: TEXT,
  report: TEXT,
  insecure: FLAG,
  json: FLAG,
  'allow-failures': FLAG,
  quiet: FLAG,
  help: { type: 'boolean', default: false, short: 'h' },
} as const;

type Values = ReturnType<typeof parseArgs<{ options: typeof OPTIONS; allowPositionals: true }>>['values'];
/** Options that are one text. */
type NumberName = Exclude<
  { [K in keyof Values]: NonNullable<Values[K]> extends string ? K : never }[keyof Values],
  undefined
>;

const PUBLISH: readonly PublishProtocol[] = ['rtmp', 'whip'];
const VIEW: readonly ViewProtocol[] = ['rtmp', 'flv', 'whep', 'websdk', 'hls', 'll-hls'];
/** Members of one run; each takes a port of this machine. */
const MAX_MEMBERS = 50_000;
const MAX_THREADS = 4;

/** Reads the command line. @throws UsageError */
export function readArguments(args: readonly string[]): Request {
  const { values, positionals } = parsed(args);
  const [command, ...rest] = positionals;
  if (values.help || command === 'help' || args.length === 0) return { kind: 'help' };
  if (rest.length > 0) throw new UsageError(`what is ${rest.join(' ')} for?`);
  if (command !== 'publish' && command !== 'view' && command !== 'run')
    throw new UsageError(`${command ?? 'nothing'} is no command: publish, view or run`);
  const publish = command === 'view' ? [] : publishers(values);
  const view = command === 'publish' ? [] : viewers(values);
  if (publish.length + view.length === 0) throw new UsageError('no URL: give --to, --from, --publish or --view');
  const members = [...publish, ...view].reduce((sum, { count }) => sum + count, 0);
  if (members > MAX_MEMBERS) throw new UsageError(`${members} are too many: ${MAX_MEMBERS} at most`);
  return { kind: 'run', plan: planOf(values, publish, view), json: values.json };
}

function parsed(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], options: OPTIONS, allowPositionals: true });
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

function planOf(
  values: Values,
  publish: readonly GroupPlan<PublishProtocol>[],
  view: readonly GroupPlan<ViewProtocol>[],
): Plan {
  const read = (name: NumberName, usual: number, limits?: { min?: number; max?: number }): number =>
    numberOf(name, values[name], { usual, ...limits });
  const [width, height] = sizeOf(values.size ?? '1280x720');
  const pictures = {
    width,
    height,
    fps: read('fps', 30, { min: 1, max: 240 }),
    bitrateBps: read('bitrate', 1000, { min: 1 }) * 1000,
    keySeconds: read('key', 2, { min: 0.1, max: 60 }),
  };
  if (pictures.fps * pictures.keySeconds > MAX_PICTURES)
    throw new UsageError(`--key: more than ${MAX_PICTURES} pictures from key frame to key frame`);
  const threads = Math.max(1, Math.min(MAX_THREADS, availableParallelism() - 1));
  return {
    publish,
    view,
    pictures,
    soundBps: read('audio-bitrate', 32, { max: 510 }) * 1000,
    source: values.source,
    rate: read('rate', 50, { min: 0.01 }),
    timeS: read('time', 30),
    warmUpS: read('warm-up', 0),
    settleS: read('settle', 2),
    streams: whole('streams', read('streams', publish[0]?.count ?? 1, { min: 1 })),
    checkEvery: whole('check-every', read('check-every', 50, { min: 1 })),
    freezeMs: read('freeze', 500, { min: 1 }),
    feedbackMs: read('feedback', 100),
    joinTimeoutMs: read('join-timeout', 15, { min: 0.1 }) * 1000,
    insecure: values.insecure,
    threads: whole('threads', read('threads', threads, { min: 1, max: 64 })),
    metricsUrl: values.metrics === undefined ? undefined : httpUrl('--metrics', values.metrics),
    pids: (values.pid ?? []).map((pid) => whole('pid', numberOf('pid', pid, { usual: 0, min: 1 }))),
    reportFile: values.report,
    allowFailures: values['allow-failures'],
    quiet: values.quiet,
  };
}

function publishers(values: Values): GroupPlan<PublishProtocol>[] {
  const urls = [...(values.to ?? []), ...(values.publish ?? [])];
  return withCounts(urls, values.publishers ?? values.count, (text) => publishTarget(text));
}

function viewers(values: Values): GroupPlan<ViewProtocol>[] {
  const urls = [...(values.from ?? []), ...(values.view ?? [])];
  return withCounts(urls, values.viewers ?? values.count, (text) => viewTarget(text));
}

interface Target<P> {
  readonly protocol: P;
  readonly url: string;
}

function withCounts<P extends string>(
  urls: readonly string[],
  counts: readonly string[] | undefined,
  targetOf: (text: string) => Target<P>,
): GroupPlan<P>[] {
  if (counts !== undefined && counts.length > 1 && counts.length !== urls.length)
    throw new UsageError(`${counts.length} numbers for ${urls.length} URLs`);
  return urls.map((text, index) => {
    const count = numberOf('count', counts?.[index] ?? counts?.[0], { usual: 1, min: 1 });
    return { ...targetOf(text), count: whole('count', count) };
  });
}

/** Takes `protocol:` off an address that begins with it. */
function named<P extends string>(text: string, protocols: readonly P[]): Target<P> | undefined {
  const protocol = protocols.find((one) => text.startsWith(`${one}:`) && !text.startsWith(`${one}://`));
  return protocol === undefined ? undefined : { protocol, url: text.slice(protocol.length + 1) };
}

function publishTarget(text: string): Target<PublishProtocol> {
  const target = named(text, PUBLISH) ?? { protocol: text.startsWith('rtmp://') ? 'rtmp' : 'whip', url: text };
  if (target.protocol === 'rtmp') return checkRtmp(target);
  if (target.url === text && !/whip/i.test(text)) throw new UsageError(`${text}: if this is WHIP, write whip:${text}`);
  httpUrl(text, target.url);
  return target;
}

function viewTarget(text: string): Target<ViewProtocol> {
  const target = named(text, VIEW) ?? guessed(text);
  if (target.protocol === 'rtmp') return checkRtmp(target);
  if (target.protocol === 'websdk') {
    const url = URL.canParse(target.url) ? new URL(target.url) : undefined;
    if (url === undefined || !/^wss?:$/.test(url.protocol) || url.pathname.endsWith('/'))
      throw new UsageError(`${text} is not of the form ws://host:port/stream`);
  } else httpUrl(text, target.url);
  return target;
}

function guessed(text: string): Target<ViewProtocol> {
  const path = text.replace(/[?#].*$/, '');
  if (text.startsWith('rtmp://')) return { protocol: 'rtmp', url: text };
  if (/^wss?:\/\//.test(text)) return { protocol: 'websdk', url: text };
  if (/whep/i.test(path)) return { protocol: 'whep', url: text };
  if (path.endsWith('.m3u8')) return { protocol: 'hls', url: text };
  if (path.endsWith('.flv')) return { protocol: 'flv', url: text };
  throw new UsageError(`${text}: which protocol is this? Write it in front: ${VIEW.join(':, ')}:`);
}

function checkRtmp<P extends string>(target: Target<P>): Target<P> {
  try {
    parseRtmpAddress(target.url);
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
  return target;
}

function httpUrl(name: string, text: string): string {
  if (!URL.canParse(text) || !/^https?:$/.test(new URL(text).protocol))
    throw new UsageError(`${name}: ${text} is no http:// or https:// URL`);
  return text;
}

function numberOf(
  name: string,
  text: string | undefined,
  { usual, min = 0, max = 1e9 }: { usual: number; min?: number; max?: number },
): number {
  const value = text === undefined ? usual : Number(text);
  if (text?.trim() === '' || !Number.isFinite(value) || value < min || value > max)
    throw new UsageError(`--${name}: ${text} is no number from ${min} to ${max}`);
  return value;
}

function whole(name: string, value: number): number {
  if (!Number.isInteger(value)) throw new UsageError(`--${name}: ${value} is no whole number`);
  return value;
}

function sizeOf(text: string): [number, number] {
  const match = /^(\d{2,4})x(\d{2,4})$/.exec(text);
  const [width, height] = [Number(match?.[1]), Number(match?.[2])];
  if (
    match === null ||
    width % 2 !== 0 ||
    height % 2 !== 0 ||
    width < 16 ||
    height < 16 ||
    width > 4096 ||
    height > 4096
  )
    throw new UsageError(`--size: ${text} is not of the form 1280x720, of even numbers up to 4096`);
  return [width, height];
}

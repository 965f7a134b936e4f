import type { Library } from './browser.ts';
import { LONG } from './long.ts';
import { ffmpeg5, ffmpeg8, gstreamer, mpv, type Player, rtmpdump, vlc } from './players.ts';
import { ffmpeg5Publisher, ffmpeg8Publisher, gstreamerPublisher, type Publish } from './publishers.ts';
import type { Shown } from './watched.ts';

/** How streams leave the server. */
export const OUTPUTS = {
  rtmp: 'RTMP',
  httpFlv: 'HTTP-FLV',
  wsFlv: 'WebSocket-FLV',
  hls: 'HLS',
} as const;

export type Output = keyof typeof OUTPUTS;

/** A player of one output: a program, or a library in Chromium. */
export interface Column {
  readonly id: string;
  readonly output: Output;
  readonly name: string;
  readonly play: Player | Library;
}

function column(output: Output, name: string, play: Player | Library): Column {
  return { id: `${output} ${name}`, output, name, play };
}

/** All players, in the order of the page. */
export const COLUMNS: readonly Column[] = [
  column('rtmp', 'ffmpeg 5.1', ffmpeg5),
  column('rtmp', 'FFmpeg 8', ffmpeg8),
  column('rtmp', 'VLC 3', vlc),
  column('rtmp', 'mpv 0.35', mpv),
  column('rtmp', 'rtmpdump 2.4', rtmpdump),
  column('rtmp', 'GStreamer 1.22', gstreamer),
  column('httpFlv', 'ffmpeg 5.1', ffmpeg5),
  column('httpFlv', 'FFmpeg 8', ffmpeg8),
  column('httpFlv', 'VLC 3', vlc),
  column('httpFlv', 'mpv 0.35', mpv),
  column('httpFlv', 'GStreamer 1.22', gstreamer),
  column('httpFlv', 'mpegts.js in Chromium', 'mpegts.js'),
  column('wsFlv', 'mpegts.js in Chromium', 'mpegts.js'),
  column('hls', 'ffmpeg 5.1', ffmpeg5),
  column('hls', 'FFmpeg 8', ffmpeg8),
  column('hls', 'VLC 3', vlc),
  column('hls', 'mpv 0.35', mpv),
  column('hls', 'GStreamer 1.22', gstreamer),
  column('hls', 'hls.js in Chromium', 'hls.js'),
];

/** Cells of a row that do not show all that is sent. */
export interface Exception {
  readonly columns: (column: Column) => boolean;
  readonly shows: Shown;
  /** The reason, as the page tells it. */
  readonly note: string;
}

/** A publisher with what it sends. */
export interface Row {
  readonly publisher: string;
  readonly video?: string | undefined;
  readonly audio?: string | undefined;
  readonly publish: Publish;
  readonly exceptions?: readonly Exception[];
  /** Set when the server does not take what is sent; this is part of what the publisher is told. */
  readonly refusal?: string;
}

type Ffmpeg5 = Parameters<typeof ffmpeg5Publisher>[0];
type Ffmpeg8 = Parameters<typeof ffmpeg8Publisher>[0];

function fromFfmpeg5(video: Ffmpeg5, audio: Ffmpeg5, exceptions: readonly Exception[] = []): Row {
  return { publisher: 'ffmpeg 5.1', video, audio, publish: ffmpeg5Publisher(video, audio), exceptions };
}

function fromFfmpeg8(video: Ffmpeg8, audio: Ffmpeg8, exceptions: readonly Exception[] = []): Row {
  return { publisher: 'FFmpeg 8', video, audio, publish: ffmpeg8Publisher(video, audio), exceptions };
}

const REFUSED = 'The publisher is refused with a message that names the codec.';
const H265_IN_CHROMIUM = 'HLS carries H.265 as it is, and Chromium decodes it only where the hardware does.';

/** All publishers, in the order of the page. */
export const ROWS: readonly Row[] = [
  fromFfmpeg5('H.264', 'AAC'),
  fromFfmpeg5('H.264 with B-frames', 'AAC'),
  fromFfmpeg8('H.264', 'AAC'),
  { publisher: 'GStreamer 1.22', video: 'H.264', audio: 'AAC', publish: gstreamerPublisher },
  fromFfmpeg5('H.264', undefined),
  fromFfmpeg5(undefined, 'AAC'),
  fromFfmpeg5('H.264', 'Speex'),
  fromFfmpeg5('H.264', 'G.711 A-law'),
  fromFfmpeg5('H.264', 'G.711 µ-law'),
  fromFfmpeg5('Sorenson H.263', 'Speex'),
  fromFfmpeg8('H.264', 'Opus'),
  fromFfmpeg8('H.265', 'AAC', [{ columns: ({ play }) => play === 'hls.js', shows: 'nothing', note: H265_IN_CHROMIUM }]),
  fromFfmpeg8('AV1', 'Opus'),
  fromFfmpeg8('VP9', 'Opus'),
  { ...fromFfmpeg5('H.264', 'MP3'), refusal: 'audio codec MP3 is not supported' },
];

/** What a row's cell must show, and why it is less than what is sent. */
export function expected(row: Row, column: Column): { shows: Shown; note?: string } {
  if (row.refusal !== undefined) return { shows: 'nothing', note: REFUSED };
  const exception = row.exceptions?.find((one) => one.columns(column));
  if (exception !== undefined) return { shows: exception.shows, note: exception.note };
  if (row.video === undefined) return { shows: 'A' };
  return { shows: row.audio === undefined ? 'V' : 'AV' };
}

/** Of the rows that the usual run takes a part of, each player watches one of so many. */
const PART = 3;
/** What cameras and encoders send most: all players watch it in every run. */
const WHOLE_ROW = 1;

/**
 * The players that watch a row in this run: all of them in `npm test -- long`. The usual run takes a third, those that
 * differ from the others, and all for one row, so that each player and each row has its turn.
 */
export function watchedBy(row: Row): readonly Column[] {
  const index = ROWS.indexOf(row);
  if (LONG || index === WHOLE_ROW) return COLUMNS;
  return COLUMNS.filter((column, i) => (i + index) % PART === 0 || expected(row, column).note !== undefined);
}

/** A row's name: what is sent, and by which program. */
export function describeRow({ video, audio, publisher }: Row): string {
  return `${[video, audio].filter((codec) => codec !== undefined).join(' + ')} from ${publisher}`;
}

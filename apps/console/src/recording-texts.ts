import type { RecordingObject } from '@sluice/contract';
import { codecName } from './format.ts';

/** Containers that browsers play; which codecs in them, only the browser knows. */
const PLAYABLE: readonly string[] = ['mp4', 'webm'];
/** What names of recordings of several streams begin with, in place of a stream's name. */
const MULTIPLE = 'multi-recorder://';

/** How far a recording is: `recording`, `finishing, 40 %`, `complete`, `failed`. */
export function stateText({ state, progress = 0 }: RecordingObject): string {
  return state === 'finalising' ? `finishing, ${percent(progress)}` : state;
}

/** What became of its upload; empty when it is not to be uploaded. */
export function uploadText({ upload, localDeleted }: RecordingObject): string {
  if (upload === undefined) return '';
  const { state, progress, attempts, error } = upload;
  const why = error === undefined ? '' : `: ${error}`;
  if (state === 'uploading') return `uploading, ${percent(progress)}`;
  if (state === 'waiting') return attempts > 0 ? `is uploaded again later${why}` : 'waits to be uploaded';
  if (state === 'failed') return `not uploaded${why}`;
  return localDeleted === true ? `only in ${upload.location}` : 'uploaded';
}

/** `H.264 1280×720`, `AAC`: each kind once, with its number where there are several. */
export function trackTexts({ tracks }: RecordingObject): string[] {
  const counts = new Map<string, number>();
  for (const { codec, width = 0, height = 0 } of tracks) {
    const text = width > 0 ? `${codecName(codec)} ${width}×${height}` : codecName(codec);
    counts.set(text, (counts.get(text) ?? 0) + 1);
  }
  return Array.from(counts, ([text, count]) => (count > 1 ? `${count} × ${text}` : text));
}

/** Whether a browser may be able to play it: files in other containers can only be downloaded. */
export function canPlay({ url, container }: RecordingObject): boolean {
  return url !== undefined && PLAYABLE.includes(container);
}

/** Whether it holds several streams: then its stream's name is the address of a recorder. */
export function hasSeveralStreams({ streamName }: RecordingObject): boolean {
  return streamName.startsWith(MULTIPLE);
}

/** Whether it can be deleted: nobody works on it. */
export function canDelete({ state, upload }: RecordingObject): boolean {
  return (state === 'complete' || state === 'failed') && upload?.state !== 'uploading';
}

/** Address of the file for this page, which may lie below a proxy's path. */
export function fileAddress(url: string): string {
  return url.replace(/^\//, '');
}

/** Without the folders. */
export function baseName(fileName: string): string {
  return fileName.slice(fileName.lastIndexOf('/') + 1);
}

function percent(share: number): string {
  return `${Math.floor(share * 100)} %`;
}

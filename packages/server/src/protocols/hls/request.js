const SEGMENT_SUFFIX = /^_(\d{1,15})\.(?:m4s|ts)$/;
const INIT_SUFFIX = /^_init_(\d{1,15})\.mp4$/;
/**
 * Reads a path `/<stream>/<file>`, each part percent-encoded on its own, so a `/` in a stream's name is `%2F`.
 * `malformed` for a broken encoding, undefined for a path of no known form.
 */
export function parseTarget(path) {
  const [, streamPart, filePart, ...rest] = path.split('/');
  let streamName;
  let file;
  try {
    streamName = decodeURIComponent(streamPart ?? '');
    file = decodeURIComponent(filePart ?? '');
    for (const part of rest) decodeURIComponent(part);
  } catch {
    return 'malformed';
  }
  if (streamName.length === 0 || rest.length > 0) return undefined;
  if (file === `${streamName}.m3u8`) return { kind: 'media', streamName };
  if (file === 'index.m3u8') return { kind: 'master', streamName };
  if (!file.startsWith(streamName)) return undefined;
  const suffix = file.slice(streamName.length);
  const init = INIT_SUFFIX.exec(suffix)?.[1];
  if (init !== undefined) return { kind: 'init', streamName, number: Number(init) };
  const segment = SEGMENT_SUFFIX.exec(suffix)?.[1];
  return segment === undefined ? undefined : { kind: 'segment', streamName, number: Number(segment) };
}
/**
 * Reads a `Range` header with one range (RFC 9110 §14.1.2). Undefined when the whole body is to be sent: without a
 * header, with several ranges or with a unit other than bytes. `unsatisfiable` when the range lies behind the body.
 */
export function parseRange(header, size) {
  const match = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(header?.trim() ?? '');
  if (match === null) return undefined;
  const [, from = '', to = ''] = match;
  if (from === '' && to === '') return undefined;
  if (from === '') {
    const length = Math.min(Number(to), size);
    return length === 0 ? 'unsatisfiable' : { first: size - length, last: size - 1 };
  }
  const first = Number(from);
  const last = to === '' ? size - 1 : Math.min(Number(to), size - 1);
  if (to !== '' && Number(to) < first) return undefined;
  return first >= size ? 'unsatisfiable' : { first, last };
}
//# sourceMappingURL=request.js.map

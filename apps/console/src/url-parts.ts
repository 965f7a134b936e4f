/** Path of the playlist of all qualities of a stream, whose name is percent-encoded already. */
export function ladderPath(encodedName: string): string {
  const folder = `${encodedName}-HLS-ABR-STREAM`;
  return `/${folder}/${folder}.m3u8`;
}

/** A host's name as URLs have it. */
export function hostInUrl(host: string): string {
  return host.includes(':') ? `[${host}]` : host;
}

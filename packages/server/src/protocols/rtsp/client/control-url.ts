/** Where a description came from, as its answer tells (RFC 2326 appendix C.1.1). */
export interface DescriptionSource {
  /** What was asked for; its host and port are those that are connected to. */
  readonly requestUrl: string;
  readonly contentBase: string | undefined;
  readonly contentLocation: string | undefined;
}

/** The URL that `a=control` of the session or of a medium is relative to. */
export function baseUrl({ requestUrl, contentBase, contentLocation }: DescriptionSource): string {
  const told = [contentBase, contentLocation].map((value) => value?.trim()).find((value) => value);
  return told === undefined ? requestUrl : controlUrl(requestUrl, told);
}

/**
 * The URL to set a medium up, or to play all of them, by its `a=control`.
 *
 * Cameras give the address that they have in their own network: host and port stay those of `base`, the path is what
 * counts. What is relative is appended, as all clients do, although RFC 1808 would have it replace the last part.
 */
export function controlUrl(base: string, control: string | undefined): string {
  const text = control?.trim() ?? '';
  if (text === '' || text === '*') return base;
  const authority = /^[a-z][a-z0-9+.-]*:\/\/[^/?#]*/i.exec(base)?.[0] ?? '';
  const path = /^[a-z][a-z0-9+.-]*:\/\/[^/?#]*(.*)$/is.exec(text)?.[1];
  if (path !== undefined) return `${authority}${path === '' ? '/' : path}`;
  if (text.startsWith('/')) return `${authority}${text}`;
  return base.endsWith('/') || text.startsWith('?') ? `${base}${text}` : `${base}/${text}`;
}

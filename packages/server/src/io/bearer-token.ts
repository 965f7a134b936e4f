/** RFC 6750 §2.1. */
const BEARER = /^Bearer +([^\s]+)$/i;

/** The token of an `Authorization` header; undefined without one. */
export function bearerToken(header: string | undefined): string | undefined {
  return BEARER.exec(header ?? '')?.[1];
}

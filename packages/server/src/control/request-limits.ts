/** The head of a request must be there by then: who would hold sockets open by sending slowly mostly stays in it. */
const HEADERS_TIMEOUT_MS = 10_000;
/** How often the limits are looked at; Node's own half a minute would double them. */
const CHECK_MS = 2000;
const CHECKS = 6;

/** Times in milliseconds that a server lets requests take, by the names that Node has for them. */
export interface RequestLimits {
  readonly requestTimeout: number;
  /** For the head alone. */
  readonly headersTimeout: number;
  /** How often the two are looked at. */
  readonly connectionsCheckingInterval: number;
}

/** The limits that belong to a time for whole requests, in milliseconds. */
export function requestLimits(requestTimeoutMs: number): RequestLimits {
  return {
    requestTimeout: requestTimeoutMs,
    headersTimeout: Math.min(HEADERS_TIMEOUT_MS, requestTimeoutMs),
    connectionsCheckingInterval: Math.min(CHECK_MS, Math.ceil(requestTimeoutMs / CHECKS)),
  };
}

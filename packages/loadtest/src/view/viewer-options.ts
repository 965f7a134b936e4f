/** What all viewers of a group are told. */
export interface ViewerOptions {
  /** A gap between pictures that is longer is a freeze. */
  readonly freezeMs: number;
  /** Who has no picture after so long has failed. */
  readonly joinTimeoutMs: number;
  /** Certificates of servers are not checked. */
  readonly insecure: boolean;
  /** How often WebRTC viewers tell when packets arrived; 0 for never. */
  readonly feedbackMs: number;
}

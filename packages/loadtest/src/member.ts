/** One publisher or viewer. Its figures go to those of its group. */
export interface Member {
  /** Begins; never throws. What becomes of it is told to the group's figures. */
  start(nowMs: number): void;
  /** Called about every 20 ms. */
  tick(nowMs: number): void;
  /** Leaves, as a client does that leaves on purpose. Idempotent; resolves when its sockets are gone. */
  stop(): Promise<void>;
}

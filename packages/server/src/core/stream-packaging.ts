/** A protocol that cuts streams into files for viewers who come and go (HLS), as an operator sees it. */
export interface StreamPackaging {
  /** Names of the streams that are being cut, by whoever's wish. */
  names(): readonly string[];
  /**
   * Begins to cut a stream, or goes on; without viewers it stops some time later. False when there is no such stream.
   * @throws what a resolver throws, such as MediaServerError FILE_NOT_FOUND
   */
  start(streamName: string): Promise<boolean>;
  /** Stops to cut a stream, or begins anew when it has viewers; false when it was not being cut. */
  stop(streamName: string): boolean;
}

/** What a URL of the HLS server asks for. */
export type HlsTarget =
  | {
      readonly kind: 'media' | 'master';
      readonly streamName: string;
    }
  | {
      readonly kind: 'segment' | 'init';
      readonly streamName: string;
      readonly number: number;
    };
/**
 * Reads a path `/<stream>/<file>`, each part percent-encoded on its own, so a `/` in a stream's name is `%2F`.
 * `malformed` for a broken encoding, undefined for a path of no known form.
 */
export declare function parseTarget(path: string): HlsTarget | 'malformed' | undefined;
/** A range of bytes, both ends included. */
export interface ByteRange {
  readonly first: number;
  readonly last: number;
}
/**
 * Reads a `Range` header with one range (RFC 9110 §14.1.2). Undefined when the whole body is to be sent: without a
 * header, with several ranges or with a unit other than bytes. `unsatisfiable` when the range lies behind the body.
 */
export declare function parseRange(header: string | undefined, size: number): ByteRange | 'unsatisfiable' | undefined;
//# sourceMappingURL=request.d.ts.map

/** A job could not be done. */
export class FinishError extends Error {
  /**
   * `CLOSED`: the server ends. `DIED`: its thread ended or hung. `EMPTY`: no media is in the file. `DAMAGED`: it can't be
   * read as what it should be. Or the code of an I/O error.
   */
  readonly code: string;

  constructor(code: string, message: string) {
    super(message);
    this.name = 'FinishError';
    this.code = code;
  }
}

/** Thrown by a REST method for an answer other than 200; `message` is for the client. */
export class RestError extends Error {
  readonly status: 404 | 500;

  constructor(status: 404 | 500, message: string) {
    super(message);
    this.name = 'RestError';
    this.status = status;
  }
}

/** Parameters that can't be used: 500, as WCS answers (rest-api.md §1.5 and the tables of §2 and §3). */
export function badParameters(message: string): RestError {
  return new RestError(500, `bad parameters: ${message}`);
}

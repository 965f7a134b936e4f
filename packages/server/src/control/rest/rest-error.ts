/** Thrown by a REST method for an answer other than 200; `message` is for the client, whatever the status. */
export class RestError extends Error {
  readonly statusCode: number;

  constructor(statusCode: number, message: string) {
    super(message);
    this.name = 'RestError';
    this.statusCode = statusCode;
  }
}

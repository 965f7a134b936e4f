import { STATUS_CODES } from 'node:http';
import type { ErrorBody } from '@sluice/contract';
import { MediaServerError } from '../core/index.ts';
import { RestError } from './rest/rest-error.ts';

/** The body of an error answer (rest-api.md §1.5); `url` may have a query, which is left out. */
export function errorBody(status: number, message: string, url: string): ErrorBody {
  const error = STATUS_CODES[status] ?? 'Error';
  return { timestamp: Date.now(), status, error, message, path: url.split('?', 1)[0] ?? url };
}

/** What a client may know about an error: its own mistakes in words, ours as `internal error` only. */
export function publicError(error: unknown): { readonly status: number; readonly message: string } {
  const status = statusOf(error);
  if (status < 500 && error instanceof Error) return { status, message: error.message };
  if (error instanceof MediaServerError || error instanceof RestError) return { status, message: error.message };
  return { status: 500, message: 'internal error' };
}

function statusOf(error: unknown): number {
  if (error instanceof MediaServerError) return error.status;
  const status = error instanceof Error && 'statusCode' in error ? error.statusCode : undefined;
  return typeof status === 'number' && status >= 400 && status < 600 ? status : 500;
}

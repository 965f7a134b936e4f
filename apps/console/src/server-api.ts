import type { ErrorBody } from '@sluice/contract';
import { type Ref, readonly, ref } from 'vue';

/** An answer that takes longer counts as none. */
export const TIMEOUT_MS = 5000;

/** An answer that is none of success; `message` is the server's own where it says something. */
export class ServerError extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

export interface AskOptions {
  /** Sent as JSON, by POST. */
  readonly body?: unknown;
  readonly timeoutMs?: number;
}

const needed = ref(false);

/** True while the server answers nobody who has not logged in. */
export const loginNeeded: Readonly<Ref<boolean>> = readonly(needed);

/** Requests may go on. */
export function loggedIn(): void {
  needed.value = false;
}

/** Requests end in the login page until somebody has logged in. */
export function loggedOut(): void {
  needed.value = true;
}

/**
 * Asks the server this page came from; `path` is without a slash at its begin. Gives undefined for an empty answer.
 * @throws ServerError when the server says no, TypeError when it can't be reached, DOMException after the timeout
 */
export async function ask<T>(path: string, { body, timeoutMs = TIMEOUT_MS }: AskOptions = {}): Promise<T> {
  const response = await request(path, { body, timeoutMs });
  if (response.status === 401 && path !== LOGIN_PATH) needed.value = true;
  const text = await response.text();
  if (!response.ok) throw new ServerError(response.status, messageOf(response, text));
  return (text === '' ? undefined : JSON.parse(text)) as T;
}

/** The same for answers that may be anything: status, and text as it came. */
export async function askAnything(path: string, options: AskOptions): Promise<{ status: number; text: string }> {
  const response = await request(path, options);
  if (response.status === 401) needed.value = true;
  return { status: response.status, text: await response.text() };
}

/** Where a name and a password are exchanged for a session. */
export const LOGIN_PATH = 'api/login';

function request(path: string, { body, timeoutMs = TIMEOUT_MS }: AskOptions): Promise<Response> {
  // A server that refuses the password would count requests that can only be refused.
  if (needed.value && path !== LOGIN_PATH) throw new ServerError(401, 'log in first');
  // Tells the server that no browser's own question for a password is wanted.
  const headers: Record<string, string> = { 'x-requested-with': 'console' };
  if (body === undefined) return fetch(path, { headers, signal: AbortSignal.timeout(timeoutMs) });
  headers['content-type'] = 'application/json';
  return fetch(path, { method: 'POST', headers, body: JSON.stringify(body), signal: AbortSignal.timeout(timeoutMs) });
}

function messageOf(response: Response, text: string): string {
  try {
    const { message } = JSON.parse(text) as Partial<ErrorBody>;
    if (typeof message === 'string' && message !== '') return message;
  } catch {
    // Not by the server itself; maybe by a proxy.
  }
  return `the server answered ${response.status} ${response.statusText}`.trim();
}

/** Why a request came to nothing, in words for people. */
export function describeProblem(error: unknown): string {
  if (error instanceof DOMException && error.name === 'TimeoutError') return 'the server did not answer in time';
  if (error instanceof TypeError) return 'the server can not be reached';
  return error instanceof Error ? error.message : String(error);
}

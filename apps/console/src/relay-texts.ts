import type { RelayRow } from '@sluice/contract';

/** A call of the REST API that begins a relay. */
export interface RelayCall {
  readonly method: string;
  readonly body: Readonly<Record<string, unknown>>;
}

const ORIGINS: Readonly<Record<RelayRow['origin'], string>> = {
  api: 'by the API',
  viewer: 'asked for by a viewer',
  settings: 'by the settings',
  publisher: 'by its publisher',
};

/** Who began it. */
export function originText({ origin }: RelayRow): string {
  return ORIGINS[origin];
}

/** Where it stands, in words; `nowMs` is the clock of this page. */
export function stateText({ state, nextAttemptAtMs }: RelayRow, nowMs: number): string {
  if (state !== 'waiting') return state === 'connected' ? 'connected, no media yet' : state;
  const seconds = Math.max(0, Math.ceil(((nextAttemptAtMs ?? nowMs) - nowMs) / 1000));
  return seconds === 0 ? 'tries again now' : `tries again in ${seconds} s`;
}

/**
 * The call that begins what the form asks for.
 * @param form `name` of the stream here, `remoteName` of the one there; both may be empty
 */
export function relayCall(form: {
  readonly direction: 'pull' | 'push';
  readonly url: string;
  readonly name: string;
  readonly remoteName: string;
}): RelayCall {
  const { direction, url, name, remoteName } = form;
  const localStreamName = name === '' ? undefined : name;
  const remoteStreamName = remoteName === '' ? undefined : remoteName;
  if (direction === 'push') {
    return /^(wss?|whips?):/i.test(url)
      ? { method: 'pull/push', body: { uri: url, localStreamName, remoteStreamName } }
      : { method: 'push/startup', body: { rtmpUrl: url, streamName: localStreamName } };
  }
  if (/^rtsp/i.test(url)) return { method: 'rtsp/startup', body: { uri: url, localStreamName } };
  return { method: 'pull/pull', body: { uri: url, localStreamName, remoteStreamName } };
}

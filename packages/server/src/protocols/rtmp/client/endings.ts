import type { AmfObject, AmfValue } from '@sluice/media';
import type { RelayEnd, RelayEndCode } from '../../../core/index.ts';

/** What a server says in onStatus and _error (Adobe RTMP 1.0 §7.2.2). */
export interface Status {
  readonly level: string;
  readonly code: string;
  readonly description: string;
  readonly fields: AmfObject;
}

/** What a connection is for. */
export type Purpose = 'publish' | 'play';

const MAX_WORDS = 200;
/** Shorter secrets are no secrets, and would tear other words apart. */
const MIN_SECRET_LENGTH = 3;

/** The first object with a code among the arguments of a command; one without words when there is none. */
export function statusOf(args: readonly AmfValue[]): Status {
  const objects = args.filter(
    (value): value is AmfObject => typeof value === 'object' && value !== null && !Array.isArray(value),
  );
  const fields = objects.find((value) => typeof value['code'] === 'string') ?? {};
  const text = (name: string): string => (typeof fields[name] === 'string' ? fields[name] : '');
  return { level: text('level'), code: text('code'), description: text('description'), fields };
}

/** Words of a server, fit for logs: short, printable, without what `secrets` and parameters say. */
export function plainWords(words: string, secrets: readonly string[]): string {
  let plain = words.slice(0, 4 * MAX_WORDS);
  for (const secret of secrets) if (secret.length >= MIN_SECRET_LENGTH) plain = plain.replaceAll(secret, '…');
  return plain
    .replace(/([?&;][^=&;#\s]*=)[^&;#\s]*/g, '$1…')
    .replace(/[^\x20-\x7e\xa0-\uffff]+/g, ' ')
    .trim()
    .slice(0, MAX_WORDS);
}

/** Codes of refusals (FMS, Wowza, nginx-rtmp, SRS and others), whatever the level that they come with. */
const REFUSALS: Readonly<Record<string, { readonly code: RelayEndCode; readonly meaning: string }>> = {
  'NetConnection.Connect.InvalidApp': { code: 'not_found', meaning: 'the server has no such application' },
  'NetConnection.Connect.AppShutdown': { code: 'unreachable', meaning: 'the application is being stopped' },
  'NetConnection.Connect.Failed': { code: 'unreachable', meaning: 'the server could not take the connection' },
  'NetConnection.Connect.Rejected': { code: 'refused', meaning: 'the server refused the connection' },
  'NetConnection.Connect.Closed': { code: 'ended', meaning: 'the server closed the connection' },
  'NetConnection.Connect.IdleTimeOut': { code: 'ended', meaning: 'the server closed the connection as idle' },
  'NetStream.Publish.BadName': {
    code: 'refused',
    meaning: 'the server does not take the name or key of the stream, or somebody publishes by it already',
  },
  'NetStream.Publish.Denied': { code: 'refused', meaning: 'the server does not allow to publish' },
  'NetStream.Publish.Unauthorized': { code: 'refused', meaning: 'the server does not allow to publish' },
  'NetStream.Publish.Rejected': { code: 'refused', meaning: 'the server does not allow to publish' },
  'NetStream.Publish.Failed': { code: 'refused', meaning: 'the server ended the publication' },
  'NetStream.Unpublish.Success': { code: 'ended', meaning: 'the server ended the publication' },
  'NetStream.Play.StreamNotFound': { code: 'not_found', meaning: 'the server has no such stream' },
  'NetStream.Play.FileNotFound': { code: 'not_found', meaning: 'the server has no such file' },
  'NetStream.Play.NoSupportedTrackFound': { code: 'invalid', meaning: 'the server can not send that stream' },
  'NetStream.Play.FileStructureInvalid': { code: 'invalid', meaning: 'the server can not read that stream' },
  'NetStream.Play.Failed': { code: 'refused', meaning: 'the server does not play the stream' },
  'NetStream.Play.UnpublishNotify': { code: 'ended', meaning: 'the stream was unpublished at the server' },
  'NetStream.Play.Stop': { code: 'ended', meaning: 'the stream is over at the server' },
  'NetStream.Play.Complete': { code: 'ended', meaning: 'the stream is over at the server' },
  'NetStream.Failed': { code: 'refused', meaning: 'the server refused' },
};

/**
 * How a status ends a connection; undefined for one that does not.
 * @param failed It answered a command with _error, so that an unknown code is a refusal too.
 */
export function endOfStatus(status: Status, secrets: readonly string[], failed = false): RelayEnd | undefined {
  const known = REFUSALS[status.code];
  if (known === undefined && !failed && status.level !== 'error') return undefined;
  const words = plainWords(`${status.code}${status.description === '' ? '' : `: ${status.description}`}`, secrets);
  const meaning = known?.meaning ?? 'the server refused';
  return { code: known?.code ?? 'refused', message: words === '' ? meaning : `${meaning} (${words})` };
}

const SYSTEM_ERRORS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nothing listens there',
  ETIMEDOUT: 'it does not answer',
  EHOSTUNREACH: 'there is no way to it',
  ENETUNREACH: 'there is no way to it',
  EADDRNOTAVAIL: 'there is no way to it',
  ECONNRESET: 'it reset the connection',
  EPIPE: 'it closed the connection',
};

/** How an error of the socket ends a connection. */
export function endOfError(error: NodeJS.ErrnoException, where: string): RelayEnd {
  const { code = '' } = error;
  if (/CERT|SIGNATURE|ALTNAME|ISSUER|CRL/.test(code)) {
    const message = `the certificate of ${where} is not valid (${code}); relay_tls_verify=false takes it anyway`;
    return { code: 'invalid', message };
  }
  if (code.startsWith('ERR_SSL') || code === 'EPROTO')
    return { code: 'invalid', message: `${where} does not speak TLS as it should (${code})` };
  const why = SYSTEM_ERRORS[code] ?? error.message;
  return { code: 'unreachable', message: `no connection to ${where}: ${why}` };
}

/** Where an RTMP server is, and what is asked of it. */
export interface RtmpAddress {
  readonly host: string;
  readonly port: number;
  readonly app: string;
  /** With its query, which goes to the server. */
  readonly streamName: string;
  readonly tcUrl: string;
}

const DEFAULT_PORT = 1935;

/**
 * Reads `rtmp://host[:port]/app/stream[?query]`; what stands before the last slash is the application.
 * @throws Error for another form
 */
export function parseRtmpAddress(text: string): RtmpAddress {
  const url = new URL(text);
  const path = url.pathname.replace(/^\//, '');
  const slash = path.lastIndexOf('/');
  if (url.protocol !== 'rtmp:' || slash < 1 || slash === path.length - 1)
    throw new Error(`${text} is not of the form rtmp://host[:port]/application/stream`);
  const app = path.slice(0, slash);
  const port = url.port === '' ? DEFAULT_PORT : Number(url.port);
  return {
    host: url.hostname.replace(/^\[|\]$/g, ''),
    port,
    app,
    streamName: `${path.slice(slash + 1)}${url.search}`,
    tcUrl: `rtmp://${url.hostname}:${port}/${app}`,
  };
}

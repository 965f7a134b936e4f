import type { Settings } from './settings/index.ts';

/** An address to tell a person. */
export interface ServerUrl {
  readonly what: string;
  readonly url: string;
}

/** Ports that are listened on; undefined or 0 for what is off. */
export type ListeningPorts = Readonly<
  Partial<Record<'http' | 'https' | 'rtmp' | 'rtmps' | 'hls' | 'ws' | 'wss' | 'rtsp' | 'srt', number | undefined>>
>;

/** Addresses to tell a person, in the order of their use. `stream` is the name that examples have. */
export function serverUrls(settings: Settings, stream: string, ports: ListeningPorts): ServerUrl[] {
  const host = settings.ip || 'localhost';
  const urls: ServerUrl[] = [];
  const add = (port: number | undefined, what: string, url: string): void => {
    if (port) urls.push({ what, url: url.replace('PORT', String(port)) });
  };
  const { http, https, rtmp, rtmps, hls, ws, wss, rtsp, srt } = ports;
  add(http, 'Open in a browser', `http://${host}:PORT/`);
  add(https, 'The same with TLS', `https://${host}:PORT/`);
  add(ws, 'Web SDK', `ws://${host}:PORT`);
  add(wss, 'Web SDK with TLS', `wss://${host}:PORT`);
  if (settings.whip_enabled && ws !== undefined) {
    add(http, 'Publish by WHIP', `http://${host}:PORT/whip/NAME`);
    add(http, 'Play by WHEP', `http://${host}:PORT/whep/${stream}`);
  }
  add(rtmp, 'Publish (OBS server)', `rtmp://${host}:PORT/live  with any stream key`);
  add(rtmp, 'Play by RTMP', `rtmp://${host}:PORT/live/${stream}`);
  add(rtmps, 'Publish by RTMPS', `rtmps://${host}:PORT/live`);
  add(rtsp, 'Publish and play by RTSP', `rtsp://${host}:PORT/${stream}`);
  add(srt, 'Publish by SRT', `srt://${host}:PORT?streamid=publish:NAME`);
  if (settings.flv_enabled) add(http, 'Play by HTTP-FLV', `http://${host}:PORT/flv/${stream}.flv`);
  add(hls, 'Play by HLS', `http://${host}:PORT/${stream}/${stream}.m3u8`);
  return urls;
}

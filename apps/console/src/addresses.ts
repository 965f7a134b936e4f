import type { OverviewPorts } from '@sluice/contract';
import { hostInUrl, ladderPath } from './url-parts.ts';
import { PUBLISH_LINK } from './use-route.ts';

/** Application name of RTMP addresses; the server takes any. */
const APP = 'live';

/** Addresses and commands for one stream of one server, ready to be copied. */
export interface StreamAddresses {
  readonly rtmpServer: string;
  readonly rtmp: string;
  readonly hls: string;
  readonly flv: string;
  readonly webSocketFlv: string;
  readonly rtsp: string;
  readonly srtPublish: string;
  readonly srtPlay: string;
  readonly whip: string;
  readonly whep: string;
  readonly mse: string;
  readonly hlsSecure: string;
  readonly hlsLadder: string;
  readonly dash: string;
  readonly ffplay: string;
  readonly ffmpegFile: string;
  readonly ffmpegTestPicture: string;
}

/** What clients are told to use to reach the stream `name` on `host`. */
export function streamAddresses(host: string, ports: OverviewPorts, name: string): StreamAddresses {
  const rtmpServer = `rtmp://${hostInUrl(host)}:${ports.rtmp}/${APP}`;
  const rtmp = `${rtmpServer}/${name}`;
  const encoded = encodeURIComponent(name);
  const h264 = '-c:v libx264 -preset veryfast -tune zerolatency -pix_fmt yuv420p -g 60';
  const output = `${h264} -c:a aac -ar 48000 -f flv ${quoted(rtmp)}`;
  return {
    rtmpServer,
    rtmp,
    hls: `http://${hostInUrl(host)}:${ports.hls}/${encoded}/${encoded}.m3u8`,
    flv: `http://${hostInUrl(host)}:${ports.http}/flv/${encoded}.flv`,
    webSocketFlv: `ws://${hostInUrl(host)}:${ports.http}/flv/${encoded}.flv`,
    rtsp: `rtsp://${hostInUrl(host)}:${ports.rtsp}/${encoded}`,
    srtPublish: `srt://${hostInUrl(host)}:${ports.srt}?streamid=publish:${encoded}`,
    srtPlay: `srt://${hostInUrl(host)}:${ports.srt}?streamid=read:${encoded}`,
    whip: `http://${hostInUrl(host)}:${ports.http}/whip/${encoded}`,
    whep: `http://${hostInUrl(host)}:${ports.http}/whep/${encoded}`,
    mse: `ws://${hostInUrl(host)}:${ports.http}/mse/${encoded}`,
    hlsSecure: `https://${hostInUrl(host)}:${ports.hlsSecure}/${encoded}/${encoded}.m3u8`,
    hlsLadder: `http://${hostInUrl(host)}:${ports.hls}${ladderPath(encoded)}`,
    dash: `http://${hostInUrl(host)}:${ports.hls}/${encoded}/${encoded}.mpd`,
    ffplay: `ffplay -fflags nobuffer ${quoted(rtmp)}`,
    ffmpegFile: `ffmpeg -re -stream_loop -1 -i input.mp4 ${output}`,
    ffmpegTestPicture: `ffmpeg -re -f lavfi -i testsrc2=size=1280x720:rate=30 -f lavfi -i sine=frequency=440 ${output}`,
  };
}

/** Address to which this page publishes by WHIP. */
export function whipAddress(name: string): string {
  return new URL(`whip/${encodeURIComponent(name)}`, document.baseURI).href;
}

/** Address of the publish page by https, where browsers give it a camera; undefined when the server has no such port. */
export function securePublishPage(hostname: string, ports: OverviewPorts): string | undefined {
  return ports.https === 0 ? undefined : `https://${hostname}:${ports.https}/${PUBLISH_LINK}`;
}

/** The addresses to choose from, with the one that this page came from first. */
export function hostChoices(pageHost: string, others: readonly string[]): readonly string[] {
  const own = pageHost.replace(/^\[|\]$/g, '');
  return [...new Set([own, ...others])].filter((host) => host !== '');
}

/** Protects what a shell would take apart; plain addresses stay as they are. */
function quoted(text: string): string {
  return /^[\w.:/@%+=[\]-]+$/.test(text) ? text : `"${text.replace(/["\\$`]/g, '\\$&')}"`;
}

/** What `--help` says. */
export const HELP = `sluice-load: many publishers and viewers, and what they saw

  sluice-load publish --to URL [--count N]
  sluice-load view --from URL [--count N]
  sluice-load run --publish URL [--publishers N] --view URL [--viewers N]

URLs of publishers
  rtmp://host/app/stream          RTMP
  http://host:8081/whip/stream    WHIP, told by "whip" in its path; else write whip:URL
URLs of viewers
  rtmp://host/app/stream          RTMP
  http://host/stream.flv          HTTP-FLV; else write flv:URL
  http://host:8081/whep/stream    WHEP, told by "whep" in its path; else write whep:URL
  ws://host:8080/stream           the protocol of the Web SDK; else write websdk:URL
  http://host/stream.m3u8         HLS; else write hls:URL
  ll-hls:http://host/stream.m3u8  low-latency HLS
{n} in a URL becomes the number of the publisher, or for viewers one of --streams. Publishers of which there are several
are numbered at the end of the path where there is no {n}. --publish and --view may be given several times; a number for
each of them, or one for all.

  --rate N            members that begin in a second (50)
  --time SECONDS      how long to watch after the last one has joined (30)
  --warm-up SECONDS   how long all play before that, without being watched (0)
  --settle SECONDS    between publishers and viewers (2)
  --streams N         streams that {n} of viewers goes over (publishers of the first kind)
  --join-timeout S    who has no picture by then has failed (15)
  --freeze MS         a gap between pictures that is longer is a freeze (500)
  --feedback MS       how often WebRTC viewers tell when packets arrived, 0 for never (100)
  --check-every N     one WebRTC or HLS viewer in N reads everything: decrypts, finds clocks (50)
  --threads N         threads for viewers
  --insecure          certificates of servers are not checked

What publishers send: pictures in H.264 and silence (AAC by RTMP, Opus by WHIP) that are made up
  --size WxH          (1280x720)     --fps N             (30)
  --bitrate KBIT      (1000)         --key SECONDS       from key frame to key frame (2)
  --audio-bitrate K   Opus, 0 for no sound (32)
  --source FILE       send this MP4, WebM or FLV again and again instead

What is looked at and written
  --metrics URL       the server's metrics for Prometheus: CPU, memory, delay of the event loop
  --pid PID           the server's process, with those that it has started; may be given several times
  --report FILE       writes the report as JSON, too
  --json              writes the report as JSON instead of text
  --allow-failures    the exit code is 0 although not all have joined and stayed
  --quiet             no line every second
`;

import type { Stream } from './stream.ts';

export type LogLevel = 'debug' | 'info' | 'warn' | 'error';

/** What the hub and the protocols need from outside; the composition root supplies it, tests supply their own. */
export interface Log {
  /** A log whose lines carry `bindings` too. With a `level` it writes lines from that one on, whatever its parent does. */
  child(bindings: Readonly<Record<string, unknown>>, options?: { readonly level: LogLevel }): Log;
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/** Someone who can make a stream live that is asked for by name (`vod-live://…`, later RTSP and cluster). */
export interface StreamResolver {
  /** True when `name` is of this resolver's kind. Cheap; decides without I/O. */
  accepts(name: string): boolean;
  /**
   * Makes the stream live, or gives undefined when there is no such source. Concurrent calls share one source, but for
   * names that are `personal`.
   */
  resolve(name: string, request?: ResolveRequest): Promise<Stream | undefined>;
  /**
   * True for a name that gives each viewer a stream of its own (`vod://…`): it can't be shared, nor played by HLS. Such a
   * stream is in no registry, begins with {@link Stream.viewerReady} and ends when its viewer is gone.
   */
  personal?(name: string): boolean;
  /**
   * True while a stream of that name is in the registry already, but may yet turn out not to be had: ask `resolve`, which
   * waits and tells why.
   */
  starting?(name: string): boolean;
}

/** Who asks a resolver for a stream. */
export interface ResolveRequest {
  /** Where in a file to begin, microseconds; the name may tell it too (`?start=12.5`, seconds). */
  readonly startUs?: number | undefined;
  /** For `personal` names: the file begins anew at its end. */
  readonly loop?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Counts by name, for metrics: `count('rtmp_protocol_errors')`. Names are fixed strings, never from the network. */
export interface Counters {
  count(name: CounterName, by?: number): void;
}

export const COUNTERS = {
  rtmp_connections: 'RTMP connections accepted',
  rtmp_protocol_errors: 'RTMP connections closed for breaking the protocol',
  rtmp_internal_errors: 'RTMP connections closed for an error of the server',
  rtmp_slow_viewers: 'RTMP viewers dropped because they did not read',
  rtmp_dropped_packets: 'packets that RTMP viewers were too slow for',
  rtmp_silent_peers: 'RTMP connections closed because nothing came from them or nothing could be sent',
  rtmp_refused: 'RTMP publishers and players refused',
  flv_refused: 'FLV viewers refused',
  flv_slow_viewers: 'FLV viewers dropped because they did not read or answer pings',
  mse_refused: 'viewers by MSE and WSPlayer refused',
  mse_slow_viewers: 'viewers by MSE and WSPlayer dropped because they did not read or answer pings',
  mse_players: 'Web SDK players by MSE and WSPlayer answered',
  hls_requests: 'HLS requests answered',
  hls_not_found: 'HLS requests answered with 404',
  hls_left_out_tracks: 'tracks left out of HLS because its container can not hold their codec',
  hls_refused: 'HLS requests answered with 415: nothing of the stream can be played by HLS',
  hls_denied: 'HLS requests denied by a back end, a stream token or a list of addresses',
  hls_segments: 'HLS segments cut',
  hls_secure_connections: 'TLS connections to the HLS server accepted',
  hls_http2_floods:
    'HTTP/2 connections to the HLS server closed for requests taken back, or frames that break the protocol',
  hls_slow_viewers: 'answers to HLS viewers broken off because they did not read',
  hls_bad_requests: 'HLS requests answered with 400',
  hls_waiting_refused: 'HLS requests answered with 503 because too many waited already',
  hls_wait_timeouts: 'HLS requests answered with 503 because what they waited for did not come in time',
  hls_archive_losses: 'HLS segments that could not be kept on disk: it was full, slow or gone',
  hls_preloaders: 'streams whose HLS viewers saw a clip until there was a segment',
  derived_streams: 'streams derived from others for viewers that can not take those as they are',
  derived_left_out_tracks: 'tracks left out of derived streams because they can not be converted',
  signalling_connections: 'WebSocket connections of Web SDK clients accepted',
  signalling_refused: 'WebSocket connections of Web SDK clients refused',
  signalling_bad_messages: 'messages of Web SDK clients that can not be answered',
  signalling_silent_clients: 'Web SDK clients dropped because nothing came from them',
  signalling_slow_clients: 'Web SDK clients dropped because they did not read',
  rooms_joined: 'members that came into rooms of the Web SDK',
  rooms_refused: 'commands to rooms refused: names, logins that are there already, too many members, …',
  rooms_replaced: 'members of rooms whose connection was dead, replaced by a newcomer with their login',
  rooms_messages: 'messages from member to member passed on',
  rooms_left_out_streams: 'streams that the other members of a room were not told of, because it has too many',
  whip_refused: 'WHIP and WHEP requests refused',
  webrtc_publishers: 'WebRTC publishers answered',
  webrtc_players: 'WebRTC players answered',
  webrtc_refused: 'WebRTC publishers and players refused',
  webrtc_qualities_lowered: 'WebRTC viewers moved to a lower quality of a stream for want of bandwidth',
  webrtc_qualities_raised: 'WebRTC viewers moved to a better quality of a stream',
  webrtc_frames_given_up:
    'frames that waited to be sent to WebRTC viewers and were given up, of viewers that have gone',
  webrtc_probes: 'probes of what the way to a WebRTC viewer carries, of viewers that have gone',
  webrtc_probes_carried: 'probes that the way carried',
  webrtc_datagrams_received: 'UDP datagrams that came to the port of WebRTC media',
  webrtc_datagrams_sent: 'UDP datagrams sent from it',
  webrtc_unverified_datagrams: 'UDP datagrams from addresses that have proved nothing: not answered',
  webrtc_malformed_datagrams: 'UDP datagrams that are neither STUN, DTLS nor SRTP, or broken STUN',
  webrtc_send_errors: 'UDP datagrams that could not be sent, or were thrown away because the network was busy',
  webrtc_tcp_connections: 'TCP connections to the port of WebRTC media accepted',
  webrtc_tcp_refused:
    'TCP connections to it closed: too many, without proof of a peer, or with frames that are too long',
  webrtc_receive_dropped:
    'datagrams of WebRTC peers that the system or this process threw away because they were not read in time',
  webrtc_lane_drops:
    'how often the picture of a WebRTC player went on with another key frame as what was sent along a shared lane waited too long',
  webrtc_tcp_dropped_packets: 'packets left out because a TCP connection of WebRTC media was behind',
  webrtc_bad_packets: 'authentic packets of WebRTC peers that can not be read',
  turn_allocations: 'allocations made for clients of the TURN server',
  turn_refused: 'requests to the TURN server refused: too much, too many, or not what it is for',
  turn_unauthorized: 'requests to the TURN server with a name or password that is not good, or no longer',
  turn_denied_peers: 'requests to the TURN server for peers that are not the media of this server',
  turn_unanswered:
    'requests to the TURN server not answered because their address had enough answers without a password',
  turn_malformed: 'datagrams to the TURN server that are none of its business, and connections closed for such bytes',
  turn_connections: 'connections to the TURN server by TCP and TLS accepted',
  turn_refused_connections: 'connections to the TURN server closed because there are too many',
  turn_datagrams_received: 'datagrams handed from clients of the TURN server to the media',
  turn_datagrams_sent: 'datagrams handed from the media to clients of the TURN server',
  turn_datagrams_dropped: 'datagrams that the TURN server dropped: no permission, no channel, or too much waited',
  rest_bad_requests: 'requests to the web port that can not be read, by their bodies or as HTTP: answered with 4xx',
  media_errors: 'packets dropped because their bitstream is broken',
  engine_conversions: 'conversions of a track to another codec begun',
  engine_failed_conversions: 'conversions given up',
  engine_refused_conversions: 'conversions of pictures refused because the machine has no room for them',
  engine_overloads: 'conversions of pictures given up because the machine did not keep up with them',
  engine_worker_deaths: 'worker processes that ended unasked',
  engine_dropped_packets: 'packets dropped on the way to a worker: it was too slow, or had to wait for a key frame',
  engine_damaged_packets: 'packets left out of a conversion because they could not be decoded',
  auth_failed: 'passwords and stream tokens that were wrong',
  auth_slowed: 'attempts refused because too many of that address had failed',
  gate_refused: 'publishers and players refused for their stream token or address',
  hooks_sent: 'REST hooks sent to back ends',
  hooks_refused: 'REST hooks that a back end answered with a refusal',
  hooks_failed: 'REST hooks without an answer that can be used, each try counted',
  hooks_retried: 'REST hooks sent again because a back end did not take them',
  hooks_dropped: 'REST hooks given up: too many waited already, or a back end did not take them in time',
  recordings_started: 'recordings of publications begun',
  recording_files: 'files of recordings completed',
  recording_failures: 'files of recordings that failed: the disk was full or gone, or their media could not be written',
  recording_bytes: 'bytes of media written to recordings',
  recording_lost_packets: 'packets missing in recordings because the disk was too slow or gone',
  recording_recovered: 'files of recordings that were found unfinished at the start and finished',
  recording_hook_failures: 'scripts of recordings that failed or took too long',
  recording_downloads: 'downloads of recordings answered',
  recording_downloads_refused: 'downloads of recordings refused: 4xx',
  uploads_done: 'files uploaded to object storage',
  upload_retries: 'uploads tried again',
  uploads_failed: 'uploads given up',
  vod_files_opened: 'media files opened to be played',
  vod_bad_files: 'media files refused: not there, broken, or not readable',
  snapshots_taken: 'pictures taken of streams',
  snapshots_failed: 'pictures that could not be taken',
  snapshot_requests: 'requests for pictures answered with one',
  snapshot_requests_refused: 'requests for pictures refused: 4xx and 5xx',
  rtsp_connections: 'connections to the RTSP server accepted',
  rtsp_refused: 'requests of RTSP clients refused: 4xx and 5xx',
  rtsp_protocol_errors: 'RTSP connections closed for breaking the protocol',
  rtsp_slow_viewers: 'RTSP viewers dropped because they did not read',
  rtsp_dropped_packets: 'packets that RTSP viewers were too slow for',
  rtsp_silent_clients: 'RTSP clients dropped because nothing came from them',
  rtsp_malformed_datagrams: 'UDP datagrams for RTSP that are no RTP or RTCP, or come from elsewhere',
  mpegts_inputs: 'ports opened for MPEG transport streams',
  mpegts_bad_packets: 'packets of transport streams that can not be read, or are missing',
  mpegts_denied: 'datagrams for transport streams from addresses that may not send',
  srt_connections: 'SRT connections accepted and made',
  srt_refused: 'SRT callers refused',
  relays_started: 'streams to and from other servers begun',
  relay_connections: 'connections to other servers that worked',
  relay_failures: 'attempts to pull or push that failed, and connections that were lost',
  relays_given_up: 'streams to and from other servers given up',
  relay_dropped_packets: 'packets that other servers were too slow for',
  outbound_denied: 'addresses that the settings forbid to connect to',
  source_clock_breaks: 'jumps of a source clock that were re-based',
} as const;

export type CounterName = keyof typeof COUNTERS;

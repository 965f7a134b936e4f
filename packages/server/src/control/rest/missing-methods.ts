/** What the methods of a group are about, for the reference page. */
interface MissingGroup {
  readonly about: string;
  /** Paths after `/rest-api/`. */
  readonly methods: readonly string[];
}

function group(name: string, about: string, methods: string): MissingGroup {
  return { about, methods: methods.split(/\s+/).map((method) => `${name}/${method}`) };
}

/** Methods of WCS (rest-api.md §3 to §18) whose functions this server does not have yet, by group. */
export const MISSING_GROUPS: readonly MissingGroup[] = [
  group('stream/inject', 'putting one stream in place of another', 'startup terminate'),
  group('transcoder', 'transcoding', 'startup find find_all terminate set_watermark'),
  group('transcoder2', 'transcoding', 'startup find find_all terminate'),
  group(
    'mixer',
    'mixing',
    `startup add remove find_all find terminate setAudioVideo set_body_watermark set_stream_watermark set_stream_label
      set_parameter set_stream_avatar remove_stream_avatar set_position`,
  ),
  group('call', 'SIP calls', 'startup find find_all terminate send_dtmf inject_sound inject_stream'),
  group('call/inject_stream', 'SIP calls', 'startup terminate'),
  group('cdn', 'several servers as one', 'show_routes show_nodes enable disable'),
  group('cdn/stream/access_list', 'several servers as one', 'add remove delete print'),
  group('api', 'load-test agents', 'create-session find_all terminate call hangup'),
];

const MISSING: ReadonlySet<string> = new Set(MISSING_GROUPS.flatMap(({ methods }) => methods));

/** True when WCS has the method that `path` (after `/rest-api/`) names, so that a client hears "not yet". */
export function isMissing(path: string): boolean {
  return MISSING.has(path.replace(/^v3\//, '').replace(/\/$/, ''));
}

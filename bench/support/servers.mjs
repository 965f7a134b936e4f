// Servers that `npm run bench` compares. Each has a name, `missing()`, which says what to do to have it, and
// `start({ folder, host, settings })`, which gives { name, pid, stop, urls }. They listen on free ports of all addresses;
// `host` is how clients name this machine. Nothing outlives the run.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { childOf, freeMediaPort, freePort, launch } from './processes.mjs';

const SLUICE = fileURLToPath(new URL('../../packages/server/bin/sluice.mjs', import.meta.url));
/** What was compiled, file by file, so that a profile tells where its time goes. */
const COMPILED = fileURLToPath(new URL('../../packages/server/dist/app/main.js', import.meta.url));
const NMS_VERSION = '4.4.3';

/** This server. `env` and `node` are for its process: variables, and options of Node. */
const sluice = {
  name: 'Sluice',
  missing: () => (existsSync(COMPILED) ? undefined : 'not built: npm run build'),
  async start({ folder, host, settings = {}, env = {}, node = [] }) {
    const [rtmp, http, hls, media] = [await freePort(), await freePort(), await freePort(), await freeMediaPort()];
    const all = { 'rtmp.port': rtmp, 'http.port': http, 'hls.port': hls, media_port_from: media, log_level: 'warn' };
    const off = [
      'https.port',
      'hls.https.port',
      'ws.port',
      'wss.port',
      'rtsp.port',
      'srt.port',
      'turn_port',
      'turns_port',
    ];
    for (const key of off) all[key] = 0;
    Object.assign(all, settings);
    const sets = Object.entries(all).flatMap(([key, value]) => ['--set', `${key}=${value}`]);
    const program = node.length > 0 ? COMPILED : SLUICE;
    const command = [process.execPath, ...node, program, 'start', '--data-dir', join(folder, 'sluice'), ...sets];
    const ports = ['rtmp.port', 'http.port', 'hls.port', 'rtsp.port'].map((key) => Number(all[key]));
    const server = await launch('Sluice', command, { ports: ports.filter((port) => port !== 0), env });
    const urls = {
      rtmp: `rtmp://${host}:${rtmp}/live/x`,
      flv: `flv:http://${host}:${http}/flv/x.flv`,
      whip: `whip:http://${host}:${http}/whip/x`,
      whep: `whep:http://${host}:${http}/whep/x`,
      hls: `hls:http://${host}:${hls}/x/x.m3u8`,
      llHls: `ll-hls:http://${host}:${hls}/x/x.m3u8`,
    };
    return { ...server, port: rtmp, urls, metricsPort: http };
  },
};

/** nginx with Debian's libnginx-mod-rtmp, one worker; it cuts HLS and serves the files. */
const nginx = {
  name: 'nginx-rtmp',
  missing: () =>
    existsSync('/usr/lib/nginx/modules/ngx_rtmp_module.so')
      ? undefined
      : 'not installed: apt install nginx libnginx-mod-rtmp',
  async start({ folder, host, hls = false }) {
    const [rtmp, http] = [await freePort(), await freePort()];
    const root = join(folder, 'files');
    mkdirSync(root, { recursive: true });
    const cut = hls ? `hls on; hls_path ${root}; hls_fragment 2s; hls_playlist_length 12s;` : '';
    const config = join(folder, 'nginx.conf');
    writeFileSync(
      config,
      `load_module /usr/lib/nginx/modules/ngx_rtmp_module.so;
daemon off; user root; worker_processes 1; worker_rlimit_nofile 8192; pid ${join(folder, 'nginx.pid')};
error_log ${join(folder, 'nginx.log')} error;
events { worker_connections 4096; }
rtmp { access_log off; server { listen ${rtmp}; application live { live on; ${cut} } } }
http { access_log off; keepalive_requests 1000000; sendfile on; tcp_nopush on; root ${root};
types { application/vnd.apple.mpegurl m3u8; video/mp2t ts; video/mp4 mp4 m4s; } server { listen ${http}; } }
`,
    );
    const server = await launch('nginx', ['/usr/sbin/nginx', '-c', config, '-p', folder], { ports: [rtmp, http] });
    const urls = { rtmp: `rtmp://${host}:${rtmp}/live/x`, hls: `hls:http://${host}:${http}/x.m3u8` };
    return {
      ...server,
      name: 'nginx-rtmp',
      memoryOfTree: true,
      port: rtmp,
      urls,
      root,
      http: `http://${host}:${http}`,
    };
  },
};

/** SRS, built by its user. */
const srs = (program) => ({
  name: 'SRS',
  missing: () =>
    program !== undefined && existsSync(program) ? undefined : 'not given: --srs PATH of objs/srs (or SRS)',
  version: () => execFileSync(program, ['-v'], { encoding: 'utf8' }).trim(),
  async start({ folder, host, hls = false, merge = true }) {
    const [rtmp, api, http, rtc] = [await freePort(), await freePort(), await freePort(), await freeMediaPort()];
    const config = join(folder, 'srs.conf');
    mkdirSync(join(folder, 'html'), { recursive: true });
    // Its own default merges writes for 350 ms; 40 ms is comparable with what others do.
    const play = merge
      ? 'play { mw_latency 40; gop_cache on; }'
      : 'play { mw_latency 0; gop_cache on; } min_latency on; tcp_nodelay on;';
    writeFileSync(
      config,
      `listen ${rtmp}; max_connections 4000; daemon off; srs_log_tank console; srs_log_level error;
pid ${join(folder, 'srs.pid')}; stats { enabled off; }
http_api { enabled on; listen ${api}; }
http_server { enabled on; listen ${http}; dir ${join(folder, 'html')}; }
rtc_server { enabled on; listen ${rtc}; candidate ${host}; }
vhost __defaultVhost__ {
  rtc { enabled on; rtmp_to_rtc off; rtc_to_rtmp off; }
  http_remux { enabled on; mount [vhost]/[app]/[stream].flv; }
  ${play}
  hls { enabled ${hls ? 'on' : 'off'}; hls_path ${join(folder, 'html')}; hls_fragment 2; hls_window 12; }
}
`,
    );
    const server = await launch('SRS', [program, '-c', config], { ports: [rtmp, api, http], cwd: folder });
    const urls = {
      rtmp: `rtmp://${host}:${rtmp}/live/x`,
      flv: `flv:http://${host}:${http}/live/x.flv`,
      whip: `whip:http://${host}:${api}/rtc/v1/whip/?app=live&stream=x`,
      whep: `whep:http://${host}:${api}/rtc/v1/whep/?app=live&stream=x`,
      hls: `hls:http://${host}:${http}/live/x.m3u8`,
    };
    return { ...server, urls };
  },
});

/** MediaMTX, built by its user. */
const mediamtx = (program) => ({
  name: 'MediaMTX',
  missing: () =>
    program !== undefined && existsSync(program) ? undefined : 'not given: --mediamtx PATH (or MEDIAMTX)',
  version: () => execFileSync(program, ['--version'], { encoding: 'utf8' }).trim(),
  async start({ folder, host }) {
    const [rtmp, rtc, hls, udp] = [await freePort(), await freePort(), await freePort(), await freeMediaPort()];
    const config = join(folder, 'mediamtx.yml');
    writeFileSync(
      config,
      `logLevel: error
rtsp: no
srt: no
rtmpAddress: :${rtmp}
webrtcAddress: :${rtc}
webrtcLocalUDPAddress: :${udp}
webrtcAdditionalHosts: [${host}]
hlsAddress: :${hls}
hlsAlwaysRemux: yes
hlsVariant: mpegts
paths: { all_others: }
`,
    );
    const server = await launch('MediaMTX', [program, config], { ports: [rtmp, rtc, hls], cwd: folder });
    const urls = {
      rtmp: `rtmp://${host}:${rtmp}/live/x`,
      whip: `whip:http://${host}:${rtc}/live/x/whip`,
      whep: `whep:http://${host}:${rtc}/live/x/whep`,
      hls: `hls:http://${host}:${hls}/live/x/index.m3u8`,
    };
    return { ...server, urls };
  },
});

/**
 * Node-Media-Server, which npm puts into a folder of its own beside this machine's temporary files when it is wanted: its 95
 * packages are no dependency of this one.
 */
const nms = (wanted) => {
  const place = join(tmpdir(), `sluice-bench-nms-${NMS_VERSION}`);
  const program = join(place, 'node_modules/node-media-server/bin/app.js');
  const install = () => {
    mkdirSync(place, { recursive: true });
    const args = ['install', '--no-audit', '--no-fund', '--ignore-scripts', '--prefix', place];
    execFileSync('npm', [...args, `node-media-server@${NMS_VERSION}`], { stdio: 'ignore' });
  };
  return {
    name: 'Node-Media-Server',
    missing() {
      if (!wanted) return 'not asked for: --nms fetches it by npm';
      try {
        if (!existsSync(program)) install();
        return undefined;
      } catch {
        return `npm could not fetch node-media-server@${NMS_VERSION}`;
      }
    },
    version: () => NMS_VERSION,
    async start({ folder, host }) {
      const [rtmp, http] = [await freePort(), await freePort()];
      const config = join(folder, 'nms.json');
      const paths = { store: { path: join(folder, 'nms') }, record: { path: join(folder, 'nms') } };
      writeFileSync(config, JSON.stringify({ bind: '0.0.0.0', rtmp: { port: rtmp }, http: { port: http }, ...paths }));
      const command = [process.execPath, program, '-c', config, '--no-admin'];
      const server = await launch('Node-Media-Server', command, { ports: [rtmp, http], cwd: folder });
      const urls = { rtmp: `rtmp://${host}:${rtmp}/live/x`, flv: `flv:http://${host}:${http}/live/x.flv` };
      return { ...server, urls };
    },
  };
};

/** All of them by a short name. `paths` are those of `--srs` and `--mediamtx`, and whether Node-Media-Server is wanted. */
export function knownServers(paths) {
  return { sluice, nginx, srs: srs(paths.srs), mediamtx: mediamtx(paths.mediamtx), nms: nms(paths.nms) };
}

/** Sluice for clients of this machine, on the port `port` for RTMP; settings come before those of the benchmarks. */
export const startSluice = (folder, settings) => sluice.start({ folder, host: '127.0.0.1', settings });

/** nginx-rtmp for clients of this machine, on the port `port`; `pid` is that of its worker. */
export async function startNginx(folder) {
  const server = await nginx.start({ folder, host: '127.0.0.1' });
  return { ...server, pid: childOf(server.pid) };
}

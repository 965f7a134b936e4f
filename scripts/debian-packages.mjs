/** Where Debian keeps libraries, seen from the folder of the programs. */
const LIBRARIES = `../lib/${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}-linux-gnu`;
const GSTREAMER = `${LIBRARIES}/gstreamer-1.0`;
const PYTHON = '../lib/python3/dist-packages';

/**
 * Programs that tests use and that npm does not bring: where to look for each, beginning at the folders of the PATH,
 * and the Debian package that has it. `for` names the kinds of tests that need it.
 */
export const DEBIAN_PACKAGES = [
  { name: 'ffmpeg', programs: ['ffmpeg', 'ffprobe'], for: ['unit', 'e2e'] },
  { name: 'python3-pylibsrtp', programs: [`${PYTHON}/pylibsrtp/__init__.py`], for: ['unit'] },
  { name: 'g++', programs: ['g++'], for: ['unit', 'e2e'] },
  { name: 'openssl', programs: ['openssl'], for: ['unit'] },
  { name: 'gnutls-bin', programs: ['gnutls-cli', 'gnutls-serv'], for: ['unit'] },
  { name: 'coturn', programs: ['turnutils_uclient'], for: ['unit'] },
  { name: 'curl', programs: ['curl'], for: ['unit', 'e2e'] },
  { name: 'nginx', programs: ['../sbin/nginx'], for: ['unit', 'e2e'] },
  {
    name: 'libnginx-mod-rtmp',
    programs: ['../lib/nginx/modules/ngx_rtmp_module.so'],
    for: ['unit', 'e2e'],
  },
  { name: 'srt-tools', programs: ['srt-live-transmit'], for: ['unit', 'e2e'] },
  { name: 'mediainfo', programs: ['mediainfo'], for: ['e2e'] },
  { name: 'rtmpdump', programs: ['rtmpdump'], for: ['e2e'] },
  { name: 'chromium', programs: ['chromium'], for: ['e2e'] },
  { name: 'firefox-esr', programs: ['firefox-esr'], for: ['e2e'] },
  { name: 'vlc-bin', programs: ['vlc'], for: ['e2e'] },
  { name: 'vlc-plugin-base', programs: [`${LIBRARIES}/vlc/plugins/codec/libavcodec_plugin.so`], for: ['e2e'] },
  { name: 'mpv', programs: ['mpv'], for: ['e2e'] },
  { name: 'gstreamer1.0-tools', programs: ['gst-launch-1.0'], for: ['unit', 'e2e'] },
  { name: 'gstreamer1.0-plugins-base', programs: [`${GSTREAMER}/libgstplayback.so`], for: ['unit', 'e2e'] },
  { name: 'gstreamer1.0-plugins-good', programs: [`${GSTREAMER}/libgstflv.so`], for: ['unit', 'e2e'] },
  { name: 'gstreamer1.0-plugins-bad', programs: [`${GSTREAMER}/libgstrtmp2.so`], for: ['unit', 'e2e'] },
  { name: 'gstreamer1.0-plugins-ugly', programs: [`${GSTREAMER}/libgstx264.so`], for: ['unit', 'e2e'] },
  { name: 'gstreamer1.0-libav', programs: [`${GSTREAMER}/libgstlibav.so`], for: ['unit', 'e2e'] },
  { name: 'gstreamer1.0-nice', programs: [`${GSTREAMER}/libgstnice.so`], for: ['e2e'] },
  {
    name: 'gir1.2-gst-plugins-bad-1.0',
    programs: [`${LIBRARIES}/girepository-1.0/GstWebRTC-1.0.typelib`],
    for: ['e2e'],
  },
  {
    name: 'gir1.2-gst-rtsp-server-1.0',
    programs: [`${LIBRARIES}/girepository-1.0/GstRtspServer-1.0.typelib`],
    for: ['unit', 'e2e'],
  },
  { name: 'python3-gi', programs: [`${PYTHON}/gi/__init__.py`], for: ['unit', 'e2e'] },
  { name: 'python3-gst-1.0', programs: [`${PYTHON}/gi/overrides/Gst.py`], for: ['e2e'] },
  { name: 'python3-aiortc', programs: [`${PYTHON}/aiortc/__init__.py`], for: ['unit', 'e2e'] },
  { name: 'python3-numpy', programs: [`${PYTHON}/numpy/__init__.py`], for: ['e2e'] },
];

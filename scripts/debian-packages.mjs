/**
 * Programs that tests use and that npm does not bring: where to look for each, and the Debian package that has it.
 * `for` names the kinds of tests that need it.
 */
export const DEBIAN_PACKAGES = [
  { name: 'ffmpeg', programs: ['ffmpeg', 'ffprobe'], for: ['unit', 'e2e'] },
  { name: 'curl', programs: ['curl'], for: ['e2e'] },
  { name: 'rtmpdump', programs: ['rtmpdump'], for: ['e2e'] },
  { name: 'chromium', programs: ['chromium'], for: ['e2e'] },
];

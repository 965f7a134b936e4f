import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';
import { LONG } from './e2e/support/long.ts';

/** End-to-end tests that mostly wait for small media in real time, with at most one page that plays: many at once disturb none. */
const LIGHT = [
  'demo',
  'guides-relays',
  'hooks',
  'in-buffer',
  'loadtest',
  'recording',
  'recording-crash',
  'recording-disk',
  'recording-s3',
  'relays',
  'rtmp',
  'rtmp-hard',
  'rtmp-metadata',
  'rtmp-options',
  'rtmp-restrictions',
  'start',
  'transport-streams',
  'webrtc-hostile',
].map((name) => `e2e/${name}.test.ts`);

/** The same with browsers or more players, of which two at once are enough: with three, some machine is too slow to see. */
const WAITING = [
  'abr',
  'access',
  'bench',
  'cameras',
  'console',
  'console-changes',
  'console-recordings',
  'console-relays',
  'console-views',
  'console-watch',
  'console-webrtc',
  'embed',
  'explain',
  'files',
  'firefox',
  'flv',
  'guides-recording',
  'guides-web',
  'll-hls',
  'mse',
  'rest-sdk',
  'rtmp-clocks',
  'rtsp',
  'webrtc-firewall',
  'webrtc-life',
  'webrtc-paths',
  'webrtc-rotation',
  'webrtc-simulcast',
  'webrtc-stacks',
  'websdk',
  'websdk-access',
  'websdk-conditions',
  'websdk-mse',
  'websdk-recording',
  'websdk-relays',
  'websdk-room',
  'websdk-vendor',
].map((name) => `e2e/${name}.test.ts`);

/**
 * Unit tests that want a process of their own: they measure the process, change it, or use a library that does. The
 * others share a few processes, each with one file after the other, for a process costs more time than most files.
 */
const ALONE = [
  ...['app', 'engine'].map((folder) => `packages/server/src/${folder}/**/*.test.ts`),
  ...[
    'loadtest/src/usage/usage',
    'media/src/mp4/long',
    'media/src/mp4/mp4',
    'native/src/*',
    'server/src/protocols/rtmp/rtmp-hostile',
    'server/src/protocols/rtmp/rtmp-server',
    'server/src/protocols/rtmp/wire/wire',
    'server/src/protocols/webrtc/transport/media-transport',
    'server/src/protocols/webrtc/whip/access',
    'server/src/protocols/webrtc/wire/dtls/fuzz',
    'server/src/recording/completion',
    'server/src/recording/completion-crashes',
    'server/src/recording/finish/finish-file',
    'server/src/recording/finish/finisher',
    'server/src/recording/hook-script',
    'server/src/recording/ledger',
    'server/src/recording/recorder',
    'server/src/recording/uploads',
    'server/src/relays/relays-random',
    'server/src/relays/sound/sound',
    'server/src/vod/*',
  ].map((name) => `packages/${name}.test.ts`),
];

/** End-to-end tests that take longest, which begin first: what begins last runs alone in the end. */
const LONGEST = [
  'demo',
  'loadtest',
  'recording-crash',
  'relays',
  'start',
  'rtmp-hard',
  'in-buffer',
  'recording-disk',
  'webrtc-paths',
  'webrtc-stacks',
  'websdk-conditions',
  'cameras',
  'console',
  'console-watch',
  'websdk',
  'abr',
  'console-webrtc',
  'files',
  'rtsp',
  'll-hls',
  'bench',
].map((name) => `/e2e/${name}.test.ts`);

class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    const projects = [...new Set(sorted.map(({ project }) => project))];
    const rank = ({ moduleId }: TestSpecification): number => {
      const at = LONGEST.findIndex((name) => moduleId.endsWith(name));
      return at < 0 ? LONGEST.length : at;
    };
    const place = (file: TestSpecification): number => projects.indexOf(file.project) * 1000 + rank(file);
    return sorted.toSorted((a, b) => place(a) - place(b));
  }
}

const UNIT = {
  setupFiles: ['vitest.setup.ts'],
  testTimeout: 30_000,
  hookTimeout: 30_000,
  // Most of them wait for sockets and other processes.
  maxWorkers: 3,
};

const TIMEOUTS = { testTimeout: 120_000, hookTimeout: 120_000 };

export default defineConfig({
  test: {
    reporters: ['default'],
    sequence: { sequencer: LongestFirst },
    projects: [
      {
        test: {
          ...UNIT,
          name: 'unit',
          include: ['packages/*/src/**/*.test.ts'],
          exclude: [...ALONE, '**/node_modules/**'],
          isolate: false,
          sequence: { groupOrder: 0 },
        },
      },
      { test: { ...UNIT, name: 'unit-alone', include: ALONE, sequence: { groupOrder: 1 } } },
      { test: { name: 'e2e-light', include: LIGHT, ...TIMEOUTS, maxWorkers: 4, sequence: { groupOrder: 2 } } },
      { test: { name: 'e2e-waiting', include: WAITING, ...TIMEOUTS, maxWorkers: 2, sequence: { groupOrder: 3 } } },
      {
        test: {
          name: 'e2e',
          include: ['e2e/**/*.test.ts'],
          exclude: [...LIGHT, ...WAITING, ...(LONG ? [] : ['e2e/long/**']), '**/node_modules/**'],
          ...TIMEOUTS,
          fileParallelism: false,
          sequence: { groupOrder: 4 },
        },
      },
    ],
  },
});

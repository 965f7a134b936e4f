import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';
import { LONG } from './e2e/support/long.ts';

/** End-to-end tests that nothing may disturb: they make lines bad, or compare many players. */
const UNDISTURBED = [
  'compatibility',
  'rtmp-changes',
  'webrtc-loss',
  'webrtc-simulcast-thin',
  'webrtc-thin',
  'webrtc-thin-rendition',
  'long/*',
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

/** End-to-end tests that take longest or most of the machine, which begin first: what begins last runs alone in the end. */
const LONGEST = [
  'console-webrtc',
  'loadtest',
  'rtmp-clocks',
  'rtmp-hard',
  'demo',
  'recording-crash',
  'relays',
  'start',
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

const END_TO_END = { include: ['e2e/**/*.test.ts'], testTimeout: 120_000, hookTimeout: 120_000 };

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
      {
        test: {
          ...END_TO_END,
          name: 'e2e',
          exclude: [...UNDISTURBED, '**/node_modules/**'],
          // Each waits for its turn, of which there are as many as the machine can do at once.
          globalSetup: ['e2e/support/turns/serve.ts'],
          setupFiles: ['e2e/support/turns/wait.ts'],
          maxWorkers: 2 * availableParallelism(),
          isolate: false,
          sequence: { groupOrder: 2 },
        },
      },
      {
        test: {
          ...END_TO_END,
          name: 'e2e-undisturbed',
          include: UNDISTURBED,
          exclude: [...(LONG ? [] : ['e2e/long/**']), '**/node_modules/**'],
          fileParallelism: false,
          sequence: { groupOrder: 3 },
        },
      },
    ],
  },
});

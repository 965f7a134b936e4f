import { defineConfig } from 'vitest/config';

/** End-to-end tests that mostly wait for media in real time: two of them at once disturb neither. */
const WAITING = [
  'access',
  'cameras',
  'console',
  'console-changes',
  'console-recordings',
  'console-relays',
  'console-views',
  'console-webrtc',
  'demo',
  'explain',
  'files',
  'flv',
  'guides-recording',
  'guides-relays',
  'guides-web',
  'hooks',
  'in-buffer',
  'recording',
  'recording-crash',
  'recording-disk',
  'recording-s3',
  'relays',
  'rest-sdk',
  'rtmp-changes',
  'rtmp-clocks',
  'rtmp-hard',
  'rtmp-metadata',
  'rtmp-options',
  'rtmp-restrictions',
  'rtmp',
  'rtsp',
  'start',
  'transport-streams',
  'webrtc-hostile',
  'websdk-access',
  'websdk-recording',
  'websdk-relays',
  'websdk-vendor',
  'websdk',
].map((name) => `e2e/${name}.test.ts`);

const TIMEOUTS = { testTimeout: 120_000, hookTimeout: 120_000 };

export default defineConfig({
  test: {
    reporters: ['default'],
    projects: [
      {
        test: {
          name: 'unit',
          include: ['packages/*/src/**/*.test.ts'],
          setupFiles: ['vitest.setup.ts'],
          testTimeout: 30_000,
          // Most of them wait for sockets and other processes.
          maxWorkers: 3,
          sequence: { groupOrder: 0 },
        },
      },
      { test: { name: 'e2e-waiting', include: WAITING, ...TIMEOUTS, maxWorkers: 2, sequence: { groupOrder: 1 } } },
      {
        test: {
          name: 'e2e',
          include: ['e2e/**/*.test.ts'],
          exclude: [...WAITING, '**/node_modules/**'],
          ...TIMEOUTS,
          fileParallelism: false,
          sequence: { groupOrder: 2 },
        },
      },
    ],
  },
});

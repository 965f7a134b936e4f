import { describe, expect, it } from 'vitest';
import { numberedUrl } from '../plan.ts';
import { readArguments, UsageError } from './arguments.ts';
import { HELP } from './help.ts';

function planOf(...args: readonly string[]) {
  const request = readArguments(args);
  if (request.kind !== 'run') throw new Error('no plan');
  return request.plan;
}

describe('the command line', () => {
  it('tells protocols by their addresses, or by their names in front', () => {
    const urls = [
      'rtmp://host/live/x',
      'http://host/live/x.flv?token=1',
      'https://host:8889/x/whep',
      'http://host:1985/rtc/v1/whep/?app=live&stream=x',
      'ws://host:8080/x',
      'http://host/x/index.m3u8',
      'll-hls:http://host/x/index.m3u8',
      'flv:http://host/x',
    ];
    const { view } = planOf('view', ...urls.flatMap((url) => ['--from', url]), '--count', '3');
    expect(view.map(({ protocol }) => protocol)).toEqual([
      'rtmp',
      'flv',
      'whep',
      'whep',
      'websdk',
      'hls',
      'll-hls',
      'flv',
    ]);
    expect(view.at(-1)).toEqual({ protocol: 'flv', url: 'http://host/x', count: 3 });
  });

  it('takes a number for each address', () => {
    const plan = planOf(
      'run',
      ...['--publish', 'rtmp://h/a/x', '--publishers', '4', '--view', 'rtmp://h/a/x{n}', '--view', 'whep:http://h/x'],
      ...['--viewers', '10', '--viewers', '20'],
    );
    expect(plan.publish).toEqual([{ protocol: 'rtmp', url: 'rtmp://h/a/x', count: 4 }]);
    expect(plan.view.map(({ count }) => count)).toEqual([10, 20]);
    expect(plan.streams).toBe(4);
  });

  it.each([
    [['view'], 'no URL'],
    [['dance'], 'no command'],
    [['view', '--from', 'ftp://h/x'], 'which protocol'],
    [['view', '--from', 'rtmp://h/x'], 'rtmp://host[:port]/application/stream'],
    [['view', '--from', 'whep:nothing'], 'no http://'],
    [['view', '--from', 'ws://h/'], 'ws://host:port/stream'],
    [['publish', '--to', 'http://h/x'], 'write whip:'],
    [['view', '--from', 'rtmp://h/a/x', '--count', '1.5'], 'no whole number'],
    [['view', '--from', 'rtmp://h/a/x', '--count', '0'], 'no number from 1'],
    [['view', '--from', 'rtmp://h/a/x', '--count', '1', '--count', '2'], '2 numbers for 1 URLs'],
    [['view', '--from', 'rtmp://h/a/x', '--rate', 'fast'], '--rate: fast'],
    [['view', '--from', 'rtmp://h/a/x', '--size', '640'], '1280x720'],
    [['view', '--from', 'rtmp://h/a/x', '--what'], '--what'],
    [['publish', '--to', 'rtmp://h/a/x', '--fps', '240', '--key', '10'], '--key'],
    [['view', '--from', 'rtmp://h/a/x', '--count', '999999'], 'too many'],
  ])('%j is refused, and says why', (args, words) => {
    expect(() => readArguments(args)).toThrow(UsageError);
    expect(() => readArguments(args)).toThrow(words);
  });

  it('explains itself, with every option that there is', () => {
    expect(readArguments(['--help'])).toEqual({ kind: 'help' });
    expect(readArguments([])).toEqual({ kind: 'help' });
    for (const option of ['rate', 'check-every', 'audio-bitrate', 'allow-failures', 'metrics', 'source'])
      expect(HELP).toContain(`--${option}`);
  });
});

describe('addresses of members', () => {
  it('have numbers where they are asked for, else at the end of the path', () => {
    expect(numberedUrl('rtmp://h/a/x', 3, true)).toBe('rtmp://h/a/x3');
    expect(numberedUrl('http://h/whip/?app=live&stream=x{n}', 3, true)).toBe('http://h/whip/?app=live&stream=x3');
    expect(numberedUrl('rtmp://h/a/x?token=1', 3, true)).toBe('rtmp://h/a/x3?token=1');
    expect(numberedUrl('rtmp://h/a/x', 3, false)).toBe('rtmp://h/a/x');
  });
});
